package auth

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

// claims are the ones that matter to us. They are decoded strictly: a claim that
// stands twice or has another type than here makes the token malformed.
type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf,omitzero"`
	ID        string   `json:"jti,omitzero"`
	Tenant    string   `json:"tenant"`
	Scope     []string `json:"scope"`
}

// UnmarshalJSON decodes with the strict codec instead of the one of the library,
// which takes "123" for a number and the last of two equal names.
func (c *claims) UnmarshalJSON(b []byte) error {
	type plain claims
	return json.Unmarshal(b, (*plain)(c))
}

// GetExpirationTime is exp, or nil when the token has none.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.Expires), nil }

// GetIssuedAt is iat, or nil when the token has none.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return date(c.IssuedAt), nil }

// GetNotBefore is nbf, or nil when the token has none.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return date(c.NotBefore), nil }

// GetIssuer is iss.
func (c *claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject is sub.
func (c *claims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience is aud.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings(c.Audience), nil }

func date(seconds int64) *jwt.NumericDate {
	if seconds == 0 {
		return nil
	}
	return jwt.NewNumericDate(time.Unix(seconds, 0))
}

// audience is one name, or a list of one; the standard allows both spellings.
type audience []string

// UnmarshalJSON reads either spelling.
func (a *audience) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(a))
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*a = audience{one}
	return nil
}

// MarshalJSON writes the plain spelling.
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func (c *claims) principal() Principal {
	scope := slices.Clone(c.Scope)
	slices.Sort(scope)
	return Principal{
		Subject: c.Subject,
		Tenant:  c.Tenant,
		Scope:   slices.Compact(scope),
		Expires: time.Unix(c.Expires, 0),
		ID:      c.ID,
		Issued:  time.Unix(c.IssuedAt, 0),
	}
}
