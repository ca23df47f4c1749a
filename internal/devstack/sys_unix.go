//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package devstack

import (
	"io/fs"
	"os"
	"syscall"
)

// lockFile locks f for this process and for those that inherit f, or returns
// EWOULDBLOCK at once.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// attributes puts a process into a session of its own, out of reach of the
// terminal's signals, under the owner's ids.
func attributes(o owner) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if o.other {
		attr.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
	if o.search {
		grantSearch(attr)
	}
	return attr
}

// belongsTo reports whether the file has that owner.
func belongsTo(info fs.FileInfo, o owner) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == o.uid
}
