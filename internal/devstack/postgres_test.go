package devstack_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waybill-io/waybill/internal/devstack"
)

func TestPostgres_dataSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "postgres")
	p := start(t, devstack.PostgresConfig{Dir: dir})
	query(t, p.URL(), "CREATE TABLE kept AS SELECT 42 AS answer")
	stop(t, p)

	log, err := os.ReadFile(filepath.Join(dir, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "database system is shut down") {
		t.Errorf("the stop was not orderly; log:\n%s", log)
	}
	p = start(t, devstack.PostgresConfig{Dir: dir})
	if got, want := query(t, p.URL(), "SELECT answer FROM kept"), "42"; got != want {
		t.Errorf("answer = %s, want %s", got, want)
	}
}

func TestPostgres_freshWipesTheData(t *testing.T) {
	t.Parallel()
	dir := quickDir(t)
	p := start(t, devstack.PostgresConfig{Dir: dir})
	query(t, p.URL(), "CREATE TABLE kept AS SELECT 42 AS answer")
	stop(t, p)
	p = start(t, devstack.PostgresConfig{Dir: dir, Fresh: true})
	if got, want := query(t, p.URL(), "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"), "0"; got != want {
		t.Errorf("tables kept = %s, want %s", got, want)
	}
}

func TestPostgres_aDirectoryOfSomebodyElseIsNeitherUsedNorWiped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	theirs := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(theirs, []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []bool{false, true} {
		_, err := devstack.StartPostgres(t.Context(), devstack.PostgresConfig{Dir: dir, Fresh: fresh})
		if err == nil || !strings.Contains(err.Error(), dir+" is not empty and was not made by devstack") {
			t.Errorf("fresh %v: error = %v, want one that names the directory", fresh, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("directory = %v, %v, want the file alone", entries, err)
	}
}

func TestPostgres_aSecondOneOnTheSameDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := quickDir(t)
	p := start(t, devstack.PostgresConfig{Dir: dir})
	for _, fresh := range []bool{false, true} {
		_, err := devstack.StartPostgres(t.Context(), devstack.PostgresConfig{Dir: dir, Fresh: fresh})
		want := fmt.Sprintf("%s is in use by process %d", dir, os.Getpid())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("fresh %v: error = %v, want one that says %q", fresh, err, want)
		}
	}
	query(t, p.URL(), "SELECT 1")
}

func TestPostgres_aTakenPortIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = devstack.StartPostgres(t.Context(), devstack.PostgresConfig{Dir: quickDir(t), Port: port})
	if want := "port " + strconv.Itoa(port); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want one that says %q", err, want)
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("error = %v, want one that is EADDRINUSE", err)
	}
}

func TestPostgres_settingsKeepDataAndStrangersOut(t *testing.T) {
	t.Parallel()
	p := start(t, devstack.PostgresConfig{TempDir: devstack.Memory()})
	for name, want := range map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on", "synchronous_commit": "on",
		"max_connections": "100", "dynamic_shared_memory_type": "mmap",
		"shared_buffers": "256MB", "server_encoding": "UTF8", "timezone": "UTC",
	} {
		if got := query(t, p.URL(), "SHOW "+name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	stranger := strings.Replace(p.URL(), "waybill:", "waybill:not", 1)
	var refused *pgconn.PgError
	if _, err := pgconn.Connect(t.Context(), stranger); !errors.As(err, &refused) || refused.Code != "28P01" {
		t.Errorf("connecting with a wrong password: error = %v, want 28P01", err)
	}
}

func TestPostgres_noSyncTurnsFsyncOff(t *testing.T) {
	t.Parallel()
	p := start(t, devstack.PostgresConfig{NoSync: true})
	if got, want := query(t, p.URL(), "SHOW fsync"), "off"; got != want {
		t.Errorf("fsync = %q, want %q", got, want)
	}
}

func TestPostgres_aTemporaryOneLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := quickDir(t)
	p := start(t, devstack.PostgresConfig{TempDir: dir})
	stop(t, p)
	wantEmpty(t, dir)
}

func TestPostgres_aStartThatIsCalledOffLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 200 * time.Millisecond} {
		dir := t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{TempDir: dir})
		cancel()
		if errors.Is(err, devstack.ErrNoPostgres) && !errors.Is(err, context.DeadlineExceeded) {
			missing(t, err)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: error = %v, want %v", after, err, context.DeadlineExceeded)
		}
		wantEmpty(t, dir)
	}
}

func TestPostgres_dataOfAnotherVersionAreNotTouched(t *testing.T) {
	t.Parallel()
	dir := quickDir(t)
	p := start(t, devstack.PostgresConfig{Dir: dir})
	stop(t, p)
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := devstack.StartPostgres(t.Context(), devstack.PostgresConfig{Dir: dir})
	if !errors.Is(err, devstack.ErrNoPostgres) || !strings.Contains(err.Error(), "made by Postgres 9") {
		t.Errorf("error = %v, want ErrNoPostgres that names version 9", err)
	}
}

func TestPostgres_waitTellsADeathFromAStop(t *testing.T) {
	t.Parallel()
	p := start(t, devstack.PostgresConfig{Dir: quickDir(t)})
	done := make(chan error, 1)
	go func() { done <- p.Wait(t.Context()) }()
	stop(t, p)
	if err := <-done; err != nil {
		t.Errorf("Wait after Close = %v, want nil", err)
	}

	p = start(t, devstack.PostgresConfig{Dir: quickDir(t)})
	postmaster := postmasterOf(t, p.URL())
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "postgres stopped by itself") {
		t.Errorf("Wait after a kill = %v, want an error", err)
	}
}

func TestPostgres_startsAgainAfterItsServerWasKilled(t *testing.T) {
	t.Parallel()
	dir := quickDir(t)
	p := start(t, devstack.PostgresConfig{Dir: dir})
	query(t, p.URL(), "CREATE TABLE kept AS SELECT 42 AS answer")
	if err := syscall.Kill(postmasterOf(t, p.URL()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err == nil {
		t.Error("Wait after a kill = nil, want an error")
	}
	stop(t, p)

	// The pid in the stale file is now an innocent process's.
	pidFile := filepath.Join(dir, "data", "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	p = start(t, devstack.PostgresConfig{Dir: dir})
	if got, want := query(t, p.URL(), "SELECT answer FROM kept"), "42"; got != want {
		t.Errorf("answer = %s, want %s", got, want)
	}
}

// start starts a server that is stopped when the test ends.
func start(t *testing.T, cfg devstack.PostgresConfig) *devstack.Postgres {
	t.Helper()
	p, err := devstack.StartPostgres(t.Context(), cfg)
	if errors.Is(err, devstack.ErrNoPostgres) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, p) })
	return p
}

func stop(t *testing.T, p *devstack.Postgres) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// query returns the first value of the first row.
func query(t *testing.T, db, sql string) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if len(results[0].Rows) == 0 {
		return ""
	}
	return string(results[0].Rows[0][0])
}

// postmasterOf returns the pid of the server.
func postmasterOf(t *testing.T, db string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(query(t, db, "SHOW data_directory"), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// quickDir returns an empty directory, in memory if there is room, where making
// a cluster takes a third of the time. On t.TempDir the directories above are
// closed to the user that root runs the server as; one test stays with that.
func quickDir(t *testing.T) string {
	t.Helper()
	memory := devstack.Memory()
	if memory == "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "devstack-test-") //nolint:usetesting // t.TempDir cannot be in memory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("directory = %v, %v, want it empty", entries, err)
	}
}
