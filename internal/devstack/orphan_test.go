package devstack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/devstack"
)

// goneLimit is longer than the supervisor takes at worst.
const goneLimit = 10 * time.Second

func TestPostgres_nothingOutlivesAKilledParent(t *testing.T) {
	t.Parallel()
	dir := quickDir(t)
	c := startChild(t, "postgres", dir)
	query(t, c.where, "CREATE TABLE kept AS SELECT 42 AS answer")
	family := familyOf(t, c)
	c.kill()
	waitGone(t, family, goneLimit)

	p := start(t, devstack.PostgresConfig{Dir: dir})
	if got, want := query(t, p.URL(), "SELECT answer FROM kept"), "42"; got != want {
		t.Errorf("answer = %s, want %s", got, want)
	}
}

func TestPostgres_theNextStartWaitsForWhatAKilledParentLeft(t *testing.T) {
	t.Parallel()
	dir := quickDir(t)
	c := startChild(t, "postgres", dir)
	query(t, c.where, "CREATE TABLE kept AS SELECT 42 AS answer")
	c.kill()
	p := start(t, devstack.PostgresConfig{Dir: dir})
	if got, want := query(t, p.URL(), "SELECT answer FROM kept"), "42"; got != want {
		t.Errorf("answer = %s, want %s", got, want)
	}
}

func TestPostgres_aKilledParentsTemporaryDirectoryIsRemoved(t *testing.T) {
	tmp := quickDir(t)
	if err := os.Chmod(tmp, 0o777|os.ModeSticky); err != nil { // as /tmp is
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	c := startChild(t, "postgres", "")
	made, err := filepath.Glob(filepath.Join(tmp, "waybill-postgres-*"))
	if err != nil || len(made) != 1 {
		t.Fatalf("temporary directories = %v, %v, want one", made, err)
	}
	c.kill()
	eventually(t, goneLimit, func() error {
		if _, err := os.Stat(made[0]); err == nil {
			return fmt.Errorf("%s is still there", made[0])
		}
		return nil
	})
}

// A server that a stopped process keeps from ending must not outlive us either.
func TestPostgres_aServerThatIgnoresTheStopIsKilled(t *testing.T) {
	t.Parallel()
	c := startChild(t, "postgres", quickDir(t))
	family := familyOf(t, c)
	postmaster := postmasterOf(t, c.where)
	if err := syscall.Kill(postmaster, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(postmaster, syscall.SIGCONT) })
	c.kill()
	waitGone(t, family, goneLimit)
}

// Ctrl-C signals the whole group: the server must wait for our word.
func TestPostgres_theTerminalsInterruptDoesNotReachTheServer(t *testing.T) {
	t.Parallel()
	dir := quickDir(t)
	c := startChild(t, "postgres", dir)
	if err := syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got, want := query(t, c.where, "SELECT 42"), "42"; got != want {
		t.Errorf("answer = %s, want %s", got, want)
	}
	log, err := os.ReadFile(filepath.Join(dir, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "shutdown request") {
		t.Errorf("the server was asked to stop; log:\n%s", log)
	}
}

// familyOf returns the supervisor's pid, the server's, and those of all that
// they have started.
func familyOf(t *testing.T, c *child) []int {
	t.Helper()
	family := tree(t, c.cmd.Process.Pid)[1:]
	if postmaster := postmasterOf(t, c.where); len(family) < 6 || !slices.Contains(family, postmaster) {
		t.Fatalf("processes under the child = %v, want the server %d with its own among them", family, postmaster)
	}
	return family
}
