package devstack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/xi2/xz"
)

// The server that is downloaded: the relocatable builds of zonky, which
// embedded-postgres uses too. That library cannot fetch without starting, and
// its start cannot change the user, so the fetching is done here.
const (
	downloadMajor   = 17
	downloadVersion = "17.10.0"
	downloadLimit   = 10 * time.Minute
	mavenRepository = "https://repo1.maven.org/maven2"
)

// digests returns the SHA-256 of each platform's archive.
func digests() map[string]string {
	return map[string]string{
		"linux-amd64":        "a6c44794a7a258621b8cb98c196bf621cdd705d9fa73c3628166b658c419877a",
		"linux-amd64-alpine": "ec4fc90d59aecf1fe3a22f49cd45605a44b0765e16767972901f5c1d87538439",
		"linux-arm64v8":      "47aa73724470a8bdb5e68e3978c1f07c577ab7a5c23b97b84f99d7e165f4876f",
		"darwin-amd64":       "667a0eea70157656649417777af452148f6c79ae3654b2cd057a37fd701bd9e9",
		"darwin-arm64v8":     "b8c73288326af937b632208110b1d629c404ebef7519f8bcc7fd72404c68a36a",
	}
}

// A depot is where server archives come from and where they are unpacked.
type depot struct {
	repository string
	platform   string
	digests    map[string]string
	cache      string
	log        *slog.Logger
}

func mavenCentral(cfg PostgresConfig) depot {
	return depot{repository: mavenRepository, platform: platform(), digests: digests(), cache: cfg.CacheDir, log: cfg.Log}
}

// platform returns this machine's name in the repository.
func platform() string {
	name := runtime.GOOS + "-" + runtime.GOARCH
	if runtime.GOARCH == "arm64" {
		name += "v8"
	}
	if _, err := os.Stat("/etc/alpine-release"); err == nil {
		name += "-alpine"
	}
	return name
}

// fetch returns the directory of the downloaded programs, downloading them if
// the cache does not have them. Several processes may do so at once.
func (d depot) fetch(ctx context.Context) (string, error) {
	want, ok := d.digests[d.platform]
	if !ok {
		return "", fmt.Errorf("there is no build for %s", d.platform)
	}
	cache, err := d.cacheDir()
	if err != nil {
		return "", err
	}
	place := filepath.Join(cache, "postgres-"+downloadVersion)
	bin := filepath.Join(place, "bin")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	archive, err := d.download(ctx, want)
	if err != nil {
		return "", err
	}
	if err := unpackInto(place, archive); err != nil {
		return "", fmt.Errorf("unpack Postgres %s: %w", downloadVersion, err)
	}
	return bin, nil
}

// cacheDir returns the directory to unpack into. The user whom root runs the
// server as could not read root's own cache.
func (d depot) cacheDir() (string, error) {
	switch {
	case d.cache != "":
		return d.cache, nil
	case os.Geteuid() == 0:
		return "/var/cache/waybill", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	return filepath.Join(dir, "waybill"), nil
}

// download returns the archive of this platform, which has the wanted digest.
func (d depot) download(ctx context.Context, want string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadLimit)
	defer cancel()
	name := "embedded-postgres-binaries-" + d.platform
	url := fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%s-%s.jar", d.repository, name, downloadVersion, name, downloadVersion)
	d.log.Info("downloading Postgres", "url", url)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("download %s: %s", url, resp.Status)
	}
	archive, err := io.ReadAll(io.LimitReader(resp.Body, 128<<20))
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	if sum := sha256.Sum256(archive); hex.EncodeToString(sum[:]) != want {
		return nil, fmt.Errorf("download %s: its SHA-256 is %x, not %s", url, sum, want)
	}
	return archive, nil
}

// unpackInto unpacks the archive beside place and moves it there when it is
// whole. Whoever is second to move finds the place taken, by the same files.
func unpackInto(place string, archive []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(filepath.Dir(place), "unpack-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(draft)) }()
	if err := os.Chmod(draft, 0o755); err != nil {
		return err
	}
	if err := unpack(draft, archive); err != nil {
		return err
	}
	if err := os.Rename(draft, place); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// unpack unpacks the .txz in the archive, which is a jar, into dir.
func unpack(dir string, archive []byte) error {
	jar, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return err
	}
	for _, f := range jar.File {
		if !strings.HasSuffix(f.Name, ".txz") {
			continue
		}
		txz, err := f.Open()
		if err != nil {
			return err
		}
		return errors.Join(untar(dir, txz), txz.Close())
	}
	return errors.New("the archive holds no .txz")
}

// untar writes the entries of a .tar.xz under dir and nowhere else.
func untar(dir string, txz io.Reader) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	plain, err := xz.NewReader(txz, 0)
	if err != nil {
		return err
	}
	for entries := tar.NewReader(plain); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := place(root, header, entries); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// place writes one entry.
func place(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.Clean(header.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, header.FileInfo().Mode().Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close())
	}
	return nil // nothing else is in these archives that a server needs
}
