//go:build !linux

package gateway

import "net"

// tuneStream does nothing: the platform has no TCP_USER_TIMEOUT.
func tuneStream(net.Conn) {}
