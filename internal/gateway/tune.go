package gateway

import "net"

const (
	sendBuffer = 64 << 10
	notSent    = 16 << 10
)

// tune limits what the kernel buffers for a connection. A limit that cannot be
// set costs memory and freshness of slow clients, no correctness.
func tune(conn net.Conn) {
	tcp := tcpBelow(conn)
	if tcp == nil {
		return
	}
	_ = tcp.SetWriteBuffer(sendBuffer)
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(limitNotSent)
}

// tcpBelow is the TCP connection that conn is or stands on; nil for another kind.
func tcpBelow(conn net.Conn) *net.TCPConn {
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = inner.NetConn() // below TLS
	}
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}
