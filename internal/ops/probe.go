package ops

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Get asks a command that runs on this machine, such as for "/readyz", and
// returns what it says. An answer other than 200 is an error that holds it. A
// container without a shell probes itself with this.
func Get(ctx context.Context, addr, path string) (string, error) {
	addr, err := dialable(addr)
	if err != nil {
		return "", fmt.Errorf("read the address to probe: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, http.NoBody)
	if err != nil {
		return "", fmt.Errorf("probe %s: %w", path, err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("probe %s: %w", path, err)
	}
	defer resp.Body.Close() //nolint:errcheck // what was read is all that counts
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read the answer of %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return string(body), fmt.Errorf("probe %s: %s: %s", path, resp.Status, body)
	}
	return string(body), nil
}

// dialable turns an address to listen on, which may name every interface, into
// one to connect to.
func dialable(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}
