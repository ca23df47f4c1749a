//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package devstack

import "syscall"

// canSearch says that [grantSearch] does nothing here.
const canSearch = false

func grantSearch(*syscall.SysProcAttr) {}
