//go:build linux || darwin

package gateway

import "golang.org/x/sys/unix"

// limitNotSent makes a socket writable only while little waits to be sent.
func limitNotSent(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSent)
}
