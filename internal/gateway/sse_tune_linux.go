package gateway

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unheard is how long a client's kernel may leave what was sent to it
// unanswered. On a socket a ping notices such a client.
const unheard = 30 * time.Second

// tuneStream ends a connection whose other end has vanished. Where that cannot
// be set it ends when the kernel gives up by itself, after some minutes.
func tuneStream(conn net.Conn) {
	tcp := tcpBelow(conn)
	if tcp == nil {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheard.Milliseconds()))
	})
}
