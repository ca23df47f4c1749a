package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
)

const (
	secret   = "hunter2"
	longText = "a secret that is long enough for HS256"
)

func TestGatewayRefusesWrongUsageBeforeItDoesAnything(t *testing.T) {
	taken := clitest.Taken(t)
	good, short, empty := secretFile(t, longText), secretFile(t, "tooshort"), secretFile(t, "\n")
	missing := filepath.Join(t.TempDir(), "none")
	with := func(args ...string) []string {
		return append([]string{
			"serve", "--database-url=postgres://u:" + secret + "@127.0.0.1:1/w", "--jwt-secret-file=" + good, "--ops-addr=" + taken, "--listen=" + taken,
		}, args...)
	}
	token := func(args ...string) []string {
		return append([]string{"token", "--tenant=demo", "--jwt-secret-file=" + good}, args...)
	}
	clitest.Refuses(t, run, []clitest.Wrong{
		{Name: "no command", Want: []string{"serve", "watch", "token"}},
		{Name: "an unknown flag", Args: with("--frobnicate"), Want: []string{"--frobnicate"}, Secret: longText},
		{Name: "nothing of what is required", Args: []string{"serve", "--ops-addr=" + taken}, Want: []string{"--jwt-secret-file", "--database-url"}},
		{Name: "no file of the secret", Args: with("--jwt-secret-file=" + missing), Want: []string{"--jwt-secret-file", missing}},
		{Name: "a short secret", Args: with("--jwt-secret-file=" + short), Want: []string{"--jwt-secret-file", "32"}, Secret: "tooshort"},
		{Name: "an empty secret", Args: with("--jwt-secret-file=" + empty), Want: []string{"--jwt-secret-file", "empty"}},
		{Name: "a variable's file that is not there", Args: []string{"serve", "--database-url=postgres://h/w", "--ops-addr=" + taken, "--listen=" + taken},
			Env: map[string]string{"WAYBILL_JWT_SECRET_FILE": missing}, Want: []string{"WAYBILL_JWT_SECRET_FILE"}},
		{Name: "no issuer", Args: with("--jwt-issuer="), Want: []string{"--jwt-issuer"}, Secret: longText},
		{Name: "no audience", Args: with("--jwt-audience="), Want: []string{"--jwt-audience"}, Secret: longText},
		{Name: "a database of another kind", Args: with("--database-url=mysql://u:" + secret + "@h/w"), Want: []string{"--database-url"}, Secret: secret},
		{Name: "an address without a host", Args: with("--listen=8080"), Want: []string{"--listen"}},
		{Name: "a port that is none", Args: with("--listen=127.0.0.1:http"), Want: []string{"--listen", "http"}},
		{Name: "an ops port that is none", Args: with("--ops-addr=127.0.0.1:-1"), Want: []string{"--ops-addr"}},
		{Name: "an origin without a scheme", Args: with("--origins=app.example.com"), Want: []string{"--origins", "app.example.com"}},
		{Name: "an origin with a path", Args: with("--origins=https://app.example.com/live"), Want: []string{"--origins"}},
		{Name: "a variable's origin without a scheme", Args: with(), Env: map[string]string{"WAYBILL_ORIGINS": "app.example.com"}, Want: []string{"--origins", "WAYBILL_ORIGINS"}},
		{Name: "no pace", Args: with("--max-hz=0"), Want: []string{"--max-hz"}},
		{Name: "a drain into the past", Args: with("--drain-window=-1s"), Want: []string{"--drain-window"}},
		{Name: "no handshakes", Args: with("--handshakes=0"), Want: []string{"--handshakes"}},
		{Name: "no handshakes of an address", Args: with("--handshakes-per-address=0"), Want: []string{"--handshakes-per-address"}},
		{Name: "fewer proxies than none", Args: with("--proxies=-1"), Want: []string{"--proxies"}},
		{Name: "an unknown level", Args: with("--log-level=loud"), Want: []string{"--log-level"}},
		{Name: "a token for nobody", Args: []string{"token", "--jwt-secret-file=" + good}, Want: []string{"--tenant"}},
		{Name: "a token for no tenant", Args: token("--tenant="), Want: []string{"--tenant"}},
		{Name: "a token for two tenants", Args: token("--tenant=a,b"), Want: []string{"--tenant"}},
		{Name: "a token of no subject", Args: token("--subject="), Want: []string{"--subject"}},
		{Name: "a token for a day", Args: token("--life=24h"), Want: []string{"--life"}, Secret: longText},
		{Name: "a token that is over", Args: token("--life=0s"), Want: []string{"--life"}},
	})
}

func TestAccessRefusesWrongUsageBeforeItDoesAnything(t *testing.T) {
	db := "--database-url=postgres://u:" + secret + "@" + clitest.Nowhere + "/w"
	revoke := func(args ...string) []string { return append([]string{"revoke", db}, args...) }
	create := func(args ...string) []string {
		return append([]string{"link", "create", db, "--tenant=demo", "--shipment=s-1"}, args...)
	}
	clitest.Refuses(t, run, []clitest.Wrong{
		{Name: "no database", Args: []string{"revoke", "--tenant=demo", "--subject=ann"}, Want: []string{"--database-url"}},
		{Name: "nobody's tokens", Args: revoke("--subject=ann"), Want: []string{"--tenant"}, Secret: secret},
		{Name: "no tokens", Args: revoke("--tenant=demo"), Want: []string{"--subject", "--jti"}},
		{Name: "every tenant's", Args: revoke("--tenant=*", "--subject=ann"), Want: []string{"--tenant"}},
		{Name: "a list of one", Args: revoke("--list", "--subject=ann"), Want: []string{"--list"}},
		{Name: "a subject that no token has", Args: revoke("--tenant=demo", "--subject="+strings.Repeat("s", 129)), Want: []string{"--subject"}},
		{Name: "an id that no token has", Args: revoke("--tenant=demo", "--jti="+strings.Repeat("j", 129)), Want: []string{"--jti"}},
		{Name: "no command about links", Args: []string{"link"}, Want: []string{"create", "list", "revoke"}},
		{Name: "a link to nothing", Args: []string{"link", "create", db, "--tenant=demo"}, Want: []string{"--shipment"}},
		{Name: "a link to an empty name", Args: create("--shipment="), Want: []string{"--shipment"}},
		{Name: "a link of nobody", Args: []string{"link", "create", db, "--shipment=s-1"}, Want: []string{"--tenant"}},
		{Name: "a link that is over", Args: create("--life=0s"), Want: []string{"--life"}},
		{Name: "a link for ever", Args: create("--life=20000h"), Want: []string{"--life"}},
		{Name: "a base that is no URL", Args: create("--base-url=track.example.com"), Want: []string{"--base-url"}},
		{Name: "a base with a query", Args: create("--base-url=https://track.example.com/?a=b"), Want: []string{"--base-url"}},
		{Name: "links of nobody", Args: []string{"link", "list", db}, Want: []string{"--tenant"}},
		{Name: "no link to revoke", Args: []string{"link", "revoke", db, "--tenant=demo"}, Want: []string{"link"}},
		{Name: "a link that is none", Args: []string{"link", "revoke", db, "--tenant=demo", "zebra"}, Want: []string{"link"}, Secret: "zebra"},
	})
}

func TestGatewayHelpNamesTheVariables(t *testing.T) {
	clitest.Helps(t, run, map[string][]string{
		"": {"WAYBILL_LOG_LEVEL", "WAYBILL_LOG_FORMAT"},
		"serve": {"WAYBILL_JWT_SECRET_FILE", "WAYBILL_JWT_ISSUER", "WAYBILL_JWT_AUDIENCE", "WAYBILL_LISTEN", "WAYBILL_DATABASE_URL",
			"WAYBILL_OPS_ADDR", "WAYBILL_ORIGINS", "WAYBILL_DRAIN_WINDOW", "WAYBILL_MAX_HZ", "WAYBILL_HANDSHAKES", "WAYBILL_HANDSHAKES_PER_ADDRESS", "WAYBILL_PROXIES"},
		"revoke":      {"WAYBILL_DATABASE_URL", "WAYBILL_TENANT", "WAYBILL_SUBJECT", "WAYBILL_REASON", "WAYBILL_BY"},
		"link create": {"WAYBILL_DATABASE_URL", "WAYBILL_TENANT", "WAYBILL_LIFE", "WAYBILL_BASE_URL"},
		"link list":   {"WAYBILL_DATABASE_URL", "WAYBILL_TENANT"},
		"link revoke": {"WAYBILL_DATABASE_URL", "WAYBILL_TENANT", "WAYBILL_REASON"},
		"watch":       {"WAYBILL_URL", "WAYBILL_TOKEN_FILE", "WAYBILL_DEV_TOKEN", "WAYBILL_TOPIC", "WAYBILL_FILTER", "WAYBILL_COLUMNS", "WAYBILL_MAX_HZ", "WAYBILL_JSON"},
		"token":       {"WAYBILL_JWT_SECRET_FILE", "WAYBILL_TENANT", "WAYBILL_SUBJECT", "WAYBILL_LIFE"},
	})
}

// secretFile holds a secret.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
