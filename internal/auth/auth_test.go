package auth_test

import (
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/auth"
)

var (
	secret = []byte("a secret of at least thirty-two bytes")
	now    = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

func config() auth.Config {
	return auth.Config{
		Keys:     []auth.Key{{Secret: secret}},
		Issuer:   "https://id.example",
		Audience: "waybill",
		Now:      func() time.Time { return now },
	}
}

func verifier(t *testing.T) *auth.Verifier {
	t.Helper()
	v, err := auth.NewVerifier(config())
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	return v
}

func TestAMintedTokenSpeaksForItsPrincipal(t *testing.T) {
	s, err := auth.NewSigner(config())
	if err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	token, expires, err := s.Mint(auth.Principal{Subject: "ann", Tenant: "acme", Scope: []string{"write", "read", "read"}}, time.Hour)
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	got, err := verifier(t).Verify(token)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if got.ID == "" {
		t.Error("the token has no id")
	}
	want := auth.Principal{
		Subject: "ann", Tenant: "acme", Scope: []string{"read", "write"}, Expires: expires,
		ID: got.ID, Issued: expires.Add(-time.Hour),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
	if !got.Has("read") || got.Has("admin") {
		t.Errorf("Has(read) = %v, Has(admin) = %v, want true, false", got.Has("read"), got.Has("admin"))
	}
}

func TestATokenLivesForAtMostAnHour(t *testing.T) {
	s, err := auth.NewSigner(config())
	if err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	for _, life := range []time.Duration{0, -time.Second, time.Hour + time.Second} {
		if _, _, err := s.Mint(auth.Principal{Subject: "ann", Tenant: "acme"}, life); err == nil {
			t.Errorf("Mint(life %v) gave a token", life)
		}
	}
}

func TestAKeyMayReplaceAnother(t *testing.T) {
	older, newer := config(), config()
	older.Keys = []auth.Key{{ID: "k1", Secret: secret}}
	newer.Keys = []auth.Key{{ID: "k2", Secret: []byte(strings.Repeat("n", 32))}, older.Keys[0]}
	v, err := auth.NewVerifier(newer)
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	for _, cfg := range []auth.Config{older, newer} {
		s, err := auth.NewSigner(cfg)
		if err != nil {
			t.Fatalf("NewSigner: %v", err)
		}
		token, _, err := s.Mint(auth.Principal{Subject: "ann", Tenant: "acme"}, time.Minute)
		if err != nil {
			t.Fatalf("Mint: %v", err)
		}
		if _, err := v.Verify(token); err != nil {
			t.Errorf("Verify(token of %s): %v", cfg.Keys[0].ID, err)
		}
	}
}

func TestAWrongConfigurationNamesAllItsProblems(t *testing.T) {
	_, err := auth.NewVerifier(auth.Config{Keys: []auth.Key{{Secret: []byte("short")}, {Secret: secret}}})
	if err == nil {
		t.Fatal("NewVerifier accepted it")
	}
	for _, want := range []string{"shorter", "twice", "issuer", "audience"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not speak of %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "short,") || strings.Contains(err.Error(), string(secret)) {
		t.Errorf("error %q shows a secret", err)
	}
}

// fields are the claims and header of a good token, which each row spoils.
type fields = map[string]any

func goodClaims() fields {
	return fields{
		"iss": "https://id.example", "aud": "waybill", "sub": "ann", "tenant": "acme",
		"scope": []string{"read"}, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
}

func with(base fields, more fields) fields {
	out := maps.Clone(base)
	for k, v := range more {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

// forge signs whatever it is given with the right secret.
func forge(t *testing.T, header, body fields) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(body))
	maps.Copy(token.Header, header)
	signed, err := token.SignedString(secret)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signed
}

func segment(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// signRaw signs a payload that no honest encoder would write.
func signRaw(t *testing.T, payload string) string {
	t.Helper()
	text := segment(t, fields{"alg": "HS256", "typ": "at+jwt"}) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sig, err := jwt.SigningMethodHS256.Sign(text, secret)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func TestABadTokenIsRefused(t *testing.T) {
	access := fields{"typ": "at+jwt"}
	claim := func(more fields) string { return forge(t, access, with(goodClaims(), more)) }
	header := func(more fields) string { return forge(t, with(access, more), goodClaims()) }
	good := claim(nil)
	unsigned := func(alg string) string {
		return segment(t, fields{"alg": alg, "typ": "at+jwt"}) + "." + segment(t, goodClaims()) + "."
	}
	hs512 := jwt.NewWithClaims(jwt.SigningMethodHS512, jwt.MapClaims(goodClaims()))
	hs512.Header["typ"] = "at+jwt"
	other512, err := hs512.SignedString(secret)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}

	tests := []struct {
		name, token, reason string
	}{
		{"empty", "", "malformed"},
		{"two parts", "a.b", "malformed"},
		{"a hundred thousand dots", strings.Repeat(".", 100_000), "size"},
		{"a megabyte", good + strings.Repeat("a", 1<<20), "size"},
		{"alg none", unsigned("none"), "signature"},
		{"alg None", unsigned("None"), "algorithm"},
		{"alg nOnE", unsigned("nOnE"), "algorithm"},
		{"empty signature", good[:strings.LastIndex(good, ".")+1], "signature"},
		{"an algorithm that is not on the list", other512, "signature"},
		{"a flipped signature", flip(good), "signature"},
		{"kid that is a path", header(fields{"kid": "../../dev/null"}), "key"},
		{"kid that is no string", header(fields{"kid": 7}), "key"},
		{"kid that is empty", header(fields{"kid": ""}), "key"},
		{"jku", header(fields{"jku": "https://evil.example/keys"}), "key"},
		{"x5u", header(fields{"x5u": "https://evil.example/cert"}), "key"},
		{"jwk", header(fields{"jwk": fields{"kty": "oct"}}), "key"},
		{"crit", header(fields{"crit": []string{"exp"}}), "key"},
		{"an id token", header(fields{"typ": "JWT"}), "type"},
		{"no exp", claim(fields{"exp": nil}), "missing"},
		{"exp 31 s ago", claim(fields{"exp": now.Add(-31 * time.Second).Unix()}), "expired"},
		{"exp that is a string", claim(fields{"exp": "1772453400"}), "malformed"},
		{"exp 10^18", claim(fields{"exp": int64(1e18)}), "lifetime"},
		{"exp 10^300", signRaw(t, `{"exp":1e300}`), "malformed"},
		{"a life above an hour", claim(fields{"exp": now.Add(61 * time.Minute).Unix()}), "lifetime"},
		{"no iat", claim(fields{"iat": nil}), "lifetime"},
		{"iat in the future", claim(fields{"iat": now.Add(31 * time.Second).Unix()}), "early"},
		{"nbf in the future", claim(fields{"nbf": now.Add(31 * time.Second).Unix()}), "early"},
		{"no aud", claim(fields{"aud": nil}), "audience"},
		{"another aud", claim(fields{"aud": "waybill2"}), "audience"},
		{"our aud among others", claim(fields{"aud": []string{"waybill", "other"}}), "audience"},
		{"another iss", claim(fields{"iss": "https://evil.example"}), "issuer"},
		{"iss with a slash more", claim(fields{"iss": "https://id.example/"}), "issuer"},
		{"no iss", claim(fields{"iss": nil}), "missing"},
		{"no sub", claim(fields{"sub": nil}), "subject"},
		{"a long sub", claim(fields{"sub": strings.Repeat("s", 129)}), "subject"},
		{"no tenant", claim(fields{"tenant": nil}), "tenant"},
		{"a wildcard tenant", claim(fields{"tenant": "*"}), "tenant"},
		{"a list of tenants", claim(fields{"tenant": []string{"acme", "b"}}), "malformed"},
		{"scope that is a string", claim(fields{"scope": "read"}), "malformed"},
		{"a claim that stands twice", signRaw(t, `{"tenant":"acme","tenant":"rival"}`), "malformed"},
		{"a long jti", claim(fields{"jti": strings.Repeat("j", 129)}), "id"},
		{"a jti that is a number", claim(fields{"jti": 7}), "malformed"},
		{"claims that are null", signRaw(t, `null`), "missing"},
	}
	v := verifier(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := v.Verify(tt.token)
			if !errors.Is(err, auth.ErrInvalidToken) {
				t.Fatalf("Verify gave %+v, %v; want %v", p, err, auth.ErrInvalidToken)
			}
			if got := auth.Reason(err); got != tt.reason {
				t.Errorf("reason %q, want %q (%v)", got, tt.reason, errors.Unwrap(err))
			}
		})
	}
	if _, err := v.Verify(good); err != nil {
		t.Errorf("the unspoilt token is refused as well: %v", err)
	}
	if _, err := v.Verify(claim(fields{"aud": []string{"waybill"}})); err != nil {
		t.Errorf("our aud as a list of one is refused: %v", err)
	}
	if _, err := v.Verify(claim(fields{"exp": now.Add(-29 * time.Second).Unix()})); err != nil {
		t.Errorf("exp within the leeway is refused: %v", err)
	}
}

// flip changes the first character of the signature.
func flip(token string) string {
	i := strings.LastIndex(token, ".") + 1
	c := "A"
	if token[i] == 'A' {
		c = "B"
	}
	return token[:i] + c + token[i+1:]
}

func FuzzVerify(f *testing.F) {
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	v, err := auth.NewVerifier(config())
	if err != nil {
		f.Fatalf("NewVerifier: %v", err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Verify(token); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("Verify(%q) error = %v, want %v", token, err, auth.ErrInvalidToken)
		}
	})
}
