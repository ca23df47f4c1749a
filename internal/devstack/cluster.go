package devstack

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A cluster is a Postgres data directory with its surroundings: the home that
// it lies in, the programs that made it, the user that it belongs to.
//
//	home/password      of the superuser
//	home/data          what Postgres calls the data directory
//	home/postgres.log  of the present run; .1 of the run before
type cluster struct {
	home     *home
	owner    owner
	programs programs
	password string
}

func (c *cluster) data() string { return c.home.file("data") }

// openCluster takes the directory and makes sure that there is a cluster in it
// which the programs at hand can run.
func openCluster(ctx context.Context, cfg PostgresConfig) (cluster, error) {
	h, err := cfg.home(ctx)
	if err != nil {
		return cluster{}, err
	}
	c := cluster{home: h}
	if err := c.prepare(ctx, cfg); err != nil {
		return cluster{}, errors.Join(err, h.leave())
	}
	return c, nil
}

func (c *cluster) prepare(ctx context.Context, cfg PostgresConfig) (err error) {
	major, err := c.madeBy()
	if err != nil {
		return err
	}
	if c.programs, err = findPrograms(ctx, cfg, major); err != nil {
		return err
	}
	if c.owner, err = pickOwner(); err != nil {
		return err
	}
	if c.owner, err = c.owner.moveIn(c.home.path); err != nil {
		return err
	}
	if major == 0 {
		if err := c.initialise(ctx, cfg.NoSync); err != nil {
			return err
		}
	}
	if err := c.dropStalePid(); err != nil {
		return err
	}
	password, err := os.ReadFile(c.home.file("password"))
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	c.password = string(password)
	return nil
}

// madeBy returns the major version that the cluster was made by, 0 if there is
// no cluster yet.
func (c *cluster) madeBy() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read version of the data: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read version of the data: %w", err)
	}
	return major, nil
}

// initialise makes the cluster and its database beside the final place and
// moves them there when they are whole, so that a start that was killed leaves
// nothing that a later one would take for a cluster.
func (c *cluster) initialise(ctx context.Context, noSync bool) error {
	draft := c.home.file("data.new")
	if err := os.RemoveAll(draft); err != nil {
		return fmt.Errorf("remove half-made cluster: %w", err)
	}
	if err := c.writePassword(); err != nil {
		return err
	}
	if err := c.initdb(ctx, draft, noSync); err != nil {
		return err
	}
	out, err := c.run(ctx, "CREATE DATABASE "+database+";\n", "postgres", "--single", "-D", draft, "-c", "log_min_messages=error", "postgres")
	if err == nil && bytesContain(out, "ERROR:") {
		err = errors.New("refused")
	}
	if err != nil {
		return fmt.Errorf("create database: %w: %s", err, out)
	}
	if err := os.Rename(draft, c.data()); err != nil {
		return fmt.Errorf("put cluster in place: %w", err)
	}
	return nil
}

// writePassword makes up the superuser's password.
func (c *cluster) writePassword() error {
	path := c.home.file("password")
	if err := os.WriteFile(path, []byte(rand.Text()), 0o600); err != nil {
		return fmt.Errorf("write password: %w", err)
	}
	if !c.owner.other {
		return nil
	}
	return os.Lchown(path, int(c.owner.uid), int(c.owner.gid))
}

// initdb makes a cluster in UTF-8 whose order is that of the code points: the
// same on every machine. Which characters are letters is taken from C.UTF-8
// where it is to be had: Postgres 17 brings its own, before it is the system's.
func (c *cluster) initdb(ctx context.Context, dir string, noSync bool) error {
	args := []string{"-D", dir, "-U", superuser, "-A", "scram-sha-256", "--pwfile=" + c.home.file("password"),
		"-E", "UTF8", "--no-instructions"}
	if noSync {
		args = append(args, "--no-sync")
	}
	locales := [][]string{{"--locale=C.UTF-8"}, {"--locale=C"}}
	if c.programs.major >= 17 {
		locales = [][]string{{"--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"}}
	}
	var errs error
	for _, locale := range locales {
		out, err := c.run(ctx, "", "initdb", append(args, locale...)...)
		if err == nil {
			return nil
		}
		errs = errors.Join(errs, fmt.Errorf("initdb %s: %w: %s", locale[0], err, out))
	}
	return errs
}

// run runs one of the programs to its end, as the owner, holding the lock. When
// ctx ends, the program is asked to clean up and end: to kill one would leave
// its shared memory behind.
func (c *cluster) run(ctx context.Context, stdin, program string, args ...string) ([]byte, error) {
	cmd := c.owner.command(c.programs.path(program), args...)
	cmd.ExtraFiles = []*os.File{c.home.mark}
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	err := cmd.Wait()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return bytes.TrimSpace(out.Bytes()), err
}

// dropStalePid removes the pid file of a server that was killed: its pid may
// belong to an innocent process by now, and Postgres would not start. The lock
// says that no server of ours is alive; a live postgres was started by hand.
func (c *cluster) dropStalePid() error {
	path := filepath.Join(c.data(), "postmaster.pid")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read pid file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if pid, err := strconv.Atoi(line); err == nil && alive(pid) && isPostgres(pid) {
		return fmt.Errorf("%s is in use by postgres process %d, which was started by hand: stop it", c.data(), pid)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale pid file: %w", err)
	}
	return nil
}

// isPostgres reports whether the process runs a program named postgres.
func isPostgres(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		name, err = exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	}
	return err != nil || strings.HasPrefix(filepath.Base(strings.TrimSpace(string(name))), "postgres")
}

// ready reports whether the server has written into its pid file that it
// accepts connections, as pg_ctl looks for it.
func (c *cluster) ready() bool {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"
}
