package gateway_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waybill-io/waybill/internal/gateway"
)

// On a stream nobody answers a ping, so the kernel must notice who has vanished.
func TestTheKernelGivesUpOnAStreamSoon(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	conns := make(chan net.Conn, 1)
	server := &http.Server{Handler: s.gateway.Stream(), ConnContext: func(ctx context.Context, c net.Conn) context.Context {
		conns <- c
		return gateway.ConnContext(ctx, c)
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.server.Listener.Close()
	s.server.URL = "http://" + listener.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		server.Close()
		<-done
	}()
	e := s.hear(m{"sid": 1, "topic": "orders"})
	e.frame("welcome", 1)
	raw, err := (<-conns).(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, opt := range []struct {
		name        string
		level, what int
		least, most int
	}{
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 10_000, 60_000},
		{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 1, 64 << 10},
		{"SO_SNDBUF", unix.SOL_SOCKET, unix.SO_SNDBUF, 1, 256 << 10},
	} {
		if err := raw.Control(func(fd uintptr) {
			got, err := unix.GetsockoptInt(int(fd), opt.level, opt.what)
			if err != nil || got < opt.least || got > opt.most {
				t.Errorf("%s is %d, %v; want %d to %d", opt.name, got, err, opt.least, opt.most)
			}
		}); err != nil {
			t.Error(err)
		}
	}
	e.leave()
}
