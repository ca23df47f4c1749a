package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxToken    = 8 << 10
	maxSubject  = 128
	maxID       = 128
	maxScopes   = 32
	minSecret   = 32
	leeway      = 30 * time.Second
	maxLifetime = time.Hour
	tokenType   = "at+jwt"
)

// Key is a shared secret and the name under which tokens refer to it.
type Key struct {
	ID     string // the kid header; "" for tokens without one
	Secret []byte // at least 32 bytes
}

// Config says which tokens are good.
type Config struct {
	// Keys are those that tokens may be signed with (HS256); several while one
	// replaces the other. Required.
	Keys []Key
	// Issuer is the exact iss of a good token. Required.
	Issuer string
	// Audience is the exact aud of a good token. Required.
	Audience string
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

func (c Config) validate() error {
	var problems []error
	if len(c.Keys) == 0 {
		problems = append(problems, errors.New("no key"))
	}
	seen := make(map[string]bool)
	for _, k := range c.Keys {
		if len(k.Secret) < minSecret {
			problems = append(problems, fmt.Errorf("key %q is shorter than %d bytes", k.ID, minSecret))
		}
		if seen[k.ID] {
			problems = append(problems, fmt.Errorf("key %q is there twice", k.ID))
		}
		seen[k.ID] = true
	}
	if c.Issuer == "" {
		problems = append(problems, errors.New("no issuer"))
	}
	if c.Audience == "" {
		problems = append(problems, errors.New("no audience"))
	}
	return errors.Join(problems...)
}

// Verifier tells good tokens from bad ones.
type Verifier struct {
	parser   *jwt.Parser
	keys     map[string][]byte
	audience string
	now      func() time.Time
}

// NewVerifier checks cfg and reports all its problems at once.
func NewVerifier(cfg Config) (*Verifier, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure tokens: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	v := &Verifier{keys: make(map[string][]byte), audience: cfg.Audience, now: cfg.Now}
	for _, k := range cfg.Keys {
		v.keys[k.ID] = k.Secret
	}
	v.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithIssuer(cfg.Issuer),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(cfg.Now),
	)
	return v, nil
}

// Verify answers whom the token speaks for, or an error that is ErrInvalidToken.
func (v *Verifier) Verify(token string) (Principal, error) {
	if len(token) > maxToken {
		return Principal{}, refuse("size", nil)
	}
	var c claims
	if _, err := v.parser.ParseWithClaims(token, &c, v.key); err != nil {
		return Principal{}, refuse(reason(err), err)
	}
	if why := v.check(&c); why != "" {
		return Principal{}, refuse(why, nil)
	}
	return c.principal(), nil
}

// key finds the key of a token whose header has nothing suspicious about it.
func (v *Verifier) key(t *jwt.Token) (any, error) {
	for _, name := range []string{"jku", "jwk", "x5u", "x5c", "crit"} {
		if _, ok := t.Header[name]; ok {
			return nil, refuse("key", nil)
		}
	}
	typ, _ := t.Header["typ"].(string)
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != tokenType {
		return nil, refuse("type", nil)
	}
	kid := ""
	if raw, ok := t.Header["kid"]; ok {
		if kid, ok = raw.(string); !ok || kid == "" {
			return nil, refuse("key", nil)
		}
	}
	if secret, ok := v.keys[kid]; ok {
		return secret, nil
	}
	return nil, refuse("key", nil)
}

// check holds the claims against what the library does not look at, and returns
// what is wrong with them.
func (v *Verifier) check(c *claims) string {
	issued, expires := time.Unix(c.IssuedAt, 0), time.Unix(c.Expires, 0)
	switch {
	case len(c.Audience) != 1 || c.Audience[0] != v.audience:
		return "audience"
	case c.IssuedAt <= 0 || expires.Sub(issued) > maxLifetime || expires.Sub(v.now()) > maxLifetime+leeway:
		return "lifetime"
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return "subject"
	case !validTenant(c.Tenant):
		return "tenant"
	case len(c.Scope) > maxScopes:
		return "scope"
	case len(c.ID) > maxID:
		return "id"
	}
	return ""
}

// reason sorts an error of the library into our words.
func reason(err error) string {
	if own := Reason(err); own != "" {
		return own
	}
	for _, known := range []struct {
		is   error
		name string
	}{
		{jwt.ErrTokenExpired, "expired"},
		{jwt.ErrTokenNotValidYet, "early"},
		{jwt.ErrTokenUsedBeforeIssued, "early"},
		{jwt.ErrTokenInvalidIssuer, "issuer"},
		{jwt.ErrTokenInvalidAudience, "audience"},
		{jwt.ErrTokenRequiredClaimMissing, "missing"},
		{jwt.ErrTokenMalformed, "malformed"},
		{jwt.ErrTokenUnverifiable, "algorithm"},
		{jwt.ErrTokenSignatureInvalid, "signature"},
	} {
		if errors.Is(err, known.is) {
			return known.name
		}
	}
	return "malformed"
}

// validTenant accepts what an id of the vocabulary is made of.
func validTenant(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && !strings.ContainsRune("._:-", rune(c)) {
			return false
		}
	}
	return true
}
