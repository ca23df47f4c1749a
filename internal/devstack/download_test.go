package devstack_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waybill-io/waybill/internal/devstack"
)

func TestFetch_unpacksTheServerOnce(t *testing.T) {
	t.Parallel()
	url, digest, served := repository(t, "server.txz")
	cache := filepath.Join(t.TempDir(), "new")
	for range 2 {
		bin, err := devstack.Fetch(t.Context(), url, "test", digest, cache)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "postgres"), "--version").Output()
		if err != nil || !strings.Contains(string(out), "17.10") {
			t.Errorf("postgres --version = %q, %v", out, err)
		}
		lib, err := os.ReadFile(filepath.Join(bin, "..", "lib", "libpq.so")) // a symbolic link in the archive
		if err != nil || string(lib) != "lib\n" {
			t.Errorf("library = %q, %v", lib, err)
		}
	}
	if got := served.Load(); got != 1 {
		t.Errorf("downloads = %d, want 1", got)
	}
}

func TestFetch_refusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	url, digest, _ := repository(t, "server.txz")
	evilURL, evilDigest, _ := repository(t, "escape.txz")
	tests := []struct{ name, url, platform, digest, want string }{
		{"other content", url, "test", strings.Repeat("0", 64), "its SHA-256 is " + digest},
		{"platform without a build", url, "plan9-mips", digest, "no build for plan9-mips"},
		{"repository without the archive", url + "/nowhere", "test", digest, "404"},
		{"entry outside", evilURL, "test", evilDigest, "path escapes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cache := filepath.Join(t.TempDir(), "cache")
			_, err := devstack.Fetch(t.Context(), tt.url, tt.platform, tt.digest, cache)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one that says %q", err, tt.want)
			}
			if entries, _ := os.ReadDir(cache); len(entries) != 0 {
				t.Errorf("cache = %v, want nothing in it", entries)
			}
		})
	}
}

// The builds of Maven Central are what a machine without Postgres runs.
func TestFetch_theDownloadedServerRuns(t *testing.T) {
	t.Parallel()
	bin, err := devstack.FetchReal(t.Context())
	if err != nil {
		missing(t, fmt.Errorf("Postgres cannot be had from Maven Central: %w", err))
	}
	p := start(t, devstack.PostgresConfig{BinDir: bin, NoSync: true})
	if got := query(t, p.URL(), "SHOW server_version"); !strings.HasPrefix(got, "17.") {
		t.Errorf("version = %s, want 17", got)
	}
	if got, want := query(t, p.URL(), "SELECT lower('É')"), "é"; got != want {
		t.Errorf("lower('É') = %q, want %q", got, want)
	}
}

// repository serves an archive that holds the file; it returns its address, the
// archive's digest and how often the archive was asked for.
func repository(t *testing.T, txz string) (url, digest string, served *atomic.Int32) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", txz))
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	w := zip.NewWriter(&jar)
	entry, err := w.Create("postgres-test.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	served = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/io/zonky/test/postgres/embedded-postgres-binaries-test/") {
			http.NotFound(rw, r)
			return
		}
		served.Add(1)
		_, _ = rw.Write(jar.Bytes())
	}))
	t.Cleanup(server.Close)
	sum := sha256.Sum256(jar.Bytes())
	return server.URL, hex.EncodeToString(sum[:]), served
}
