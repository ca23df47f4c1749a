package limit

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Address is what limits know a client by: its IPv4 address, or the /64 network
// of its IPv6 address, which one host has to itself. Where so many proxies stand
// before this process it is what the outermost of them wrote into
// X-Forwarded-For; with 0 the header is not looked at, because anybody can send
// one. Local reports a client on this machine, or a proxy on it that nobody has
// counted.
func Address(r *http.Request, proxies int) (key string, local bool) {
	addr, ok := forwarded(r, proxies)
	if !ok {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		if addr, err = netip.ParseAddr(host); err != nil {
			return host, false
		}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String(), addr.IsLoopback()
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return addr.String(), addr.IsLoopback()
	}
	return network.String(), addr.IsLoopback()
}

// forwarded is the entry that the outermost of so many proxies appended.
func forwarded(r *http.Request, proxies int) (netip.Addr, bool) {
	if proxies < 1 {
		return netip.Addr{}, false
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if len(hops) < proxies {
		return netip.Addr{}, false
	}
	hop := strings.TrimSpace(hops[len(hops)-proxies])
	if at, err := netip.ParseAddrPort(hop); err == nil {
		return at.Addr(), true
	}
	addr, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return addr, err == nil
}
