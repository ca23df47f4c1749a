package auth

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Signer mints tokens that a Verifier of the same Config accepts. It signs with
// the first key.
type Signer struct {
	cfg Config
}

// NewSigner checks cfg as NewVerifier does.
func NewSigner(cfg Config) (*Signer, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure tokens: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Signer{cfg: cfg}, nil
}

// Mint returns a token for p that is valid from now on for life, which is at
// most an hour, with an id of its own; what p says of Expires, ID and Issued is
// not looked at. It returns the token's expiry with it.
func (s *Signer) Mint(p Principal, life time.Duration) (string, time.Time, error) {
	if life <= 0 || life > maxLifetime {
		return "", time.Time{}, fmt.Errorf("mint token: life %v is not within (0, %v]", life, maxLifetime)
	}
	now := s.cfg.Now().Truncate(time.Second)
	expires := now.Add(life).Truncate(time.Second)
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{
		Issuer:   s.cfg.Issuer,
		Subject:  p.Subject,
		Audience: audience{s.cfg.Audience},
		Expires:  expires.Unix(),
		IssuedAt: now.Unix(),
		ID:       rand.Text(),
		Tenant:   p.Tenant,
		Scope:    append([]string{}, p.Scope...),
	})
	token.Header["typ"] = tokenType
	if key := s.cfg.Keys[0]; key.ID != "" {
		token.Header["kid"] = key.ID
	}
	signed, err := token.SignedString(s.cfg.Keys[0].Secret)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("mint token: %w", err)
	}
	return signed, expires, nil
}
