package devstack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
)

// An owner is the user that the server runs as and that its files belong to.
// The zero owner is whoever runs this process.
type owner struct {
	name     string
	uid, gid uint32
	other    bool // not the present user
	search   bool // needs a capability to reach its files
}

// pickOwner chooses the user to run Postgres as, which refuses to run as root.
func pickOwner() (owner, error) {
	if os.Geteuid() != 0 {
		return owner{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return owner{}, fmt.Errorf("read uid of %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return owner{}, fmt.Errorf("read gid of %s: %w", name, err)
		}
		return owner{name: name, uid: uint32(uid), gid: uint32(gid), other: true}, nil
	}
	return owner{}, errors.New("postgres must not run as root, and there is neither a user postgres nor a user nobody to run it as")
}

// command prepares a process of the owner's, in a directory and an environment
// that do not depend on ours.
func (o owner) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = attributes(o)
	return cmd
}

// moveIn gives dir to the owner and makes sure that he can enter it. It returns
// the owner with what he needs for that.
func (o owner) moveIn(dir string) (owner, error) {
	if !o.other {
		return o, nil
	}
	if err := o.take(dir); err != nil {
		return o, fmt.Errorf("give %s to user %s: %w", dir, o.name, err)
	}
	err := o.enter(dir)
	if err != nil && canSearch {
		o.search = true
		err = o.enter(dir)
	}
	return o, o.explain(dir, err)
}

// enter tries whether the owner can get into dir.
func (o owner) enter(dir string) error {
	return o.command("sh", "-c", `cd "$0"`, dir).Run()
}

// take makes the owner the owner of dir and of all that is in it, unless dir is
// his already.
func (o owner) take(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || belongsTo(info, o) {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(o.uid), int(o.gid))
	})
}

// explain names the directory that keeps the owner from entering dir.
func (o owner) explain(dir string, err error) error {
	if err == nil {
		return nil
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, statErr := os.Stat(parent)
		if statErr == nil && info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("postgres must not run as root, so it runs as user %s, who cannot pass through %s (mode %v): "+
				"name a data directory elsewhere, or run this as an ordinary user: %w", o.name, parent, info.Mode().Perm(), err)
		}
		if parent == filepath.Dir(parent) {
			return fmt.Errorf("run as user %s in %s: %w", o.name, dir, err)
		}
	}
}
