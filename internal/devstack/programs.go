package devstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
)

// oldest is the first major version that the read model works with.
const oldest = 15

// ErrNoPostgres says that there is no Postgres server to run on this machine.
var ErrNoPostgres = errors.New("no Postgres server to run: install Postgres 15 or newer " +
	"(Debian and Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17)")

// programs are the executables of one Postgres installation.
type programs struct {
	dir     string
	major   int
	version string
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }

// findPrograms returns the programs to use: those of the given major version,
// or, when it is 0, of any that is new enough.
func findPrograms(ctx context.Context, cfg PostgresConfig, major int) (programs, error) {
	if cfg.BinDir != "" {
		p, err := inspect(ctx, cfg.BinDir)
		if err == nil && !p.fits(major) {
			err = fmt.Errorf("%s holds Postgres %s, which cannot be used here: %s", cfg.BinDir, p.version, wanted(major))
		}
		return p, err
	}
	for _, p := range installed(ctx) {
		if p.fits(major) {
			return p, nil
		}
	}
	if major != 0 && major != downloadMajor {
		return programs{}, fmt.Errorf("%w; %s", ErrNoPostgres, wanted(major))
	}
	dir, err := mavenCentral(cfg).fetch(ctx)
	if err != nil {
		return programs{}, fmt.Errorf("%w; downloading one went wrong: %w", ErrNoPostgres, err)
	}
	return inspect(ctx, dir)
}

func (p programs) fits(major int) bool {
	return p.major >= oldest && (major == 0 || p.major == major)
}

// wanted says which version is looked for, and why.
func wanted(major int) string {
	if major == 0 {
		return fmt.Sprintf("it must be %d or newer", oldest)
	}
	return fmt.Sprintf("the data were made by Postgres %d: install that version, or start fresh to lose them", major)
}

// installed returns the installations on this machine, best first: PATH in its
// own order, then the usual places, newest first.
func installed(ctx context.Context) []programs {
	var found, usual []programs
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		found = appendInspected(ctx, found, filepath.Join(dir, "postgres"))
	}
	for _, pattern := range usualPlaces() {
		matches, _ := filepath.Glob(pattern) // the patterns are well-formed
		for _, path := range matches {
			usual = appendInspected(ctx, usual, path)
		}
	}
	slices.SortStableFunc(usual, func(a, b programs) int { return cmp.Compare(b.major, a.major) })
	return append(found, usual...)
}

// usualPlaces returns where distributions put the server.
func usualPlaces() []string {
	if runtime.GOOS == "darwin" {
		return []string{
			"/opt/homebrew/opt/postgresql@*/bin/postgres",
			"/usr/local/opt/postgresql@*/bin/postgres",
			"/Applications/Postgres.app/Contents/Versions/*/bin/postgres",
		}
	}
	return []string{
		"/usr/lib/postgresql/*/bin/postgres",
		"/usr/pgsql-*/bin/postgres",
		"/usr/libexec/postgresql*/postgres",
		"/usr/local/pgsql/bin/postgres",
	}
}

// appendInspected appends the installation that path belongs to, if it is one.
func appendInspected(ctx context.Context, list []programs, path string) []programs {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return list
	}
	p, err := inspect(ctx, filepath.Dir(real))
	if err != nil {
		return list
	}
	return append(list, p)
}

// inspect asks the server in dir for its version.
func inspect(ctx context.Context, dir string) (programs, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return programs{}, fmt.Errorf("look for Postgres: %w", err)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return programs{}, fmt.Errorf("ask for the version of Postgres in %s: %w", dir, err)
	}
	m := regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`).FindSubmatch(out)
	if m == nil {
		return programs{}, fmt.Errorf("read the version of Postgres in %s: got %q", dir, out)
	}
	major, err := strconv.Atoi(string(m[2]))
	if err != nil {
		return programs{}, fmt.Errorf("read the version of Postgres in %s: %w", dir, err)
	}
	return programs{dir: dir, major: major, version: string(m[1])}, nil
}
