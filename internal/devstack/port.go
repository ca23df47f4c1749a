package devstack

import (
	"context"
	"fmt"
	"net"
	"strconv"
)

// checkPortRange refuses what is not a port; 0 stands for any.
func checkPortRange(port int) error {
	if port < 0 || port > 65535 {
		return fmt.Errorf("port %d is not between 0 and 65535", port)
	}
	return nil
}

// checkPort returns an error that names the port if something listens on it.
func checkPort(ctx context.Context, port int) error {
	l, err := listen(ctx, port)
	if err != nil {
		return fmt.Errorf("port %d on %s cannot be listened on, choose another or stop what uses it: %w", port, loopback, err)
	}
	return l.Close()
}

// freePort returns a port that nothing listens on at the moment.
func freePort(ctx context.Context) (int, error) {
	l, err := listen(ctx, 0)
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

func listen(ctx context.Context, port int) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
}
