//go:build linux || darwin

package gateway

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// dart writes to a connection once, without waiting until it takes more.
type dart struct {
	raw  syscall.RawConn
	once func(fd uintptr) bool // throw: made here, where a write would make it each time

	b   []byte
	n   int
	err error
}

// newDart returns nil for a connection that is no TCP connection itself, such as
// one of TLS.
func newDart(conn net.Conn) *dart {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	d := &dart{raw: raw}
	d.once = d.throw
	return d
}

// write reports how much of b the kernel has taken, which may be nothing. It is
// not called twice at a time.
func (d *dart) write(b []byte) (int, error) {
	d.b, d.n, d.err = b, 0, nil
	err := d.raw.Write(d.once)
	d.b = nil
	if err != nil {
		return 0, err
	}
	return d.n, d.err
}

func (d *dart) throw(fd uintptr) bool {
	n, err := unix.Write(int(fd), d.b)
	switch {
	case err == nil:
		d.n = n
	case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
		d.err = err
	}
	return true
}
