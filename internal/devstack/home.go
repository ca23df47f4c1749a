package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopLimit bounds every wait for something to stop. It is longer than the
// supervisor takes to kill a server that ignores its signals.
const stopLimit = 10 * time.Second

// A home is a directory that one part of the stack keeps its data in. Its mark
// is a file that says that the directory is ours to use and to wipe; whoever
// holds the lock on the mark lives there.
type home struct {
	path string
	mark *os.File // children inherit it, and the lock with it
	temp bool     // goes when its tenant does
}

// openHome makes or takes over the directory at path, waiting for what a killed
// process left behind to stop.
func openHome(ctx context.Context, path, kind string, fresh bool) (*home, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find data directory: %w", err)
	}
	h := &home{path: abs}
	if err := h.settle(kind); err != nil {
		return nil, err
	}
	if err := h.acquire(ctx); err != nil {
		return nil, errors.Join(err, h.mark.Close())
	}
	if !fresh {
		return h, nil
	}
	if err := h.wipe(); err != nil {
		return nil, errors.Join(err, h.leave())
	}
	return h, nil
}

// openTempHome makes a home that goes when its tenant does.
func openTempHome(ctx context.Context, parent, kind string) (*home, error) {
	path, err := os.MkdirTemp(parent, "waybill-"+kind+"-")
	if err != nil {
		return nil, fmt.Errorf("make temporary directory: %w", err)
	}
	h, err := openHome(ctx, path, kind, false)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	h.temp = true
	return h, nil
}

// settle makes the directory, unless it is somebody else's, and opens its mark.
func (h *home) settle(kind string) (err error) {
	if err := os.MkdirAll(h.path, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	mark := filepath.Join(h.path, ".waybill-"+kind)
	if err := checkOurs(h.path, mark); err != nil {
		return err
	}
	if h.mark, err = os.OpenFile(mark, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("open mark: %w", err)
	}
	return nil
}

// checkOurs refuses a directory that has things in it but not our mark.
func checkOurs(dir, mark string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	if _, err := os.Stat(mark); errors.Is(err, os.ErrNotExist) && len(entries) > 0 {
		return fmt.Errorf("%s is not empty and was not made by devstack (it has no %s): name another directory",
			dir, filepath.Base(mark))
	}
	return nil
}

// acquire takes the lock. A lock whose holder is dead is held by the server
// that he left behind, which is about to stop.
func (h *home) acquire(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	for {
		err := lockFile(h.mark)
		if err == nil {
			return h.sign(strconv.Itoa(os.Getpid()))
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("lock %s: %w", h.path, err)
		}
		if pid := h.holder(); pid != 0 && alive(pid) {
			return fmt.Errorf("%s is in use by process %d: stop it, or name another directory", h.path, pid)
		}
		if pause(limit, 20*time.Millisecond) != nil {
			return fmt.Errorf("%s is still held by a server that a dead process left behind: %w", h.path, limit.Err())
		}
	}
}

// sign writes who lives here, for the error that the next one gets.
func (h *home) sign(name string) error {
	if err := h.mark.Truncate(0); err != nil {
		return fmt.Errorf("sign %s: %w", h.path, err)
	}
	if _, err := h.mark.WriteAt([]byte(name), 0); err != nil {
		return fmt.Errorf("sign %s: %w", h.path, err)
	}
	return nil
}

// holder returns the pid in the mark, or 0 when nobody has signed.
func (h *home) holder() int {
	text, err := io.ReadAll(io.NewSectionReader(h.mark, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// wipe removes everything but the mark.
func (h *home) wipe() error {
	entries, err := os.ReadDir(h.path)
	if err != nil {
		return fmt.Errorf("wipe data directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() == filepath.Base(h.mark.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(h.path, e.Name())); err != nil {
			return fmt.Errorf("wipe data directory: %w", err)
		}
	}
	return nil
}

// leave gives up the lock; a temporary directory goes with it.
func (h *home) leave() error {
	err := errors.Join(h.sign(""), h.mark.Close())
	if h.temp {
		err = errors.Join(err, os.RemoveAll(h.path))
	}
	return err
}

// file returns the path of a file in the directory.
func (h *home) file(name string) string { return filepath.Join(h.path, name) }

// alive reports whether a process has that pid. One that we may not signal is
// alive too; one that has ended and waits for its parent to notice is not.
func alive(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		if _, state, ok := bytes.Cut(stat, []byte(") ")); ok && bytes.HasPrefix(state, []byte("Z")) {
			return false
		}
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
