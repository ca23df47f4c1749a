package limit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/limit"
)

func TestEveryKeyHasARateOfItsOwn(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	k := limit.NewKeys(2, 5)
	allowed := func(key string, now time.Time, n int) (got int) {
		for range n {
			if k.Allow(key, now) {
				got++
			}
		}
		return got
	}
	if got := allowed("ann", at, 10); got != 5 {
		t.Errorf("%d of 10 at once, want 5", got)
	}
	if got := allowed("bob", at, 10); got != 5 {
		t.Errorf("%d of 10 of another key, want 5", got)
	}
	if got := allowed("ann", at.Add(time.Second), 10); got != 2 {
		t.Errorf("%d of 10 a second later, want 2", got)
	}
}

func TestKeysThatHaveRestedAreForgotten(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		later time.Duration
		want  int
	}{{"all ask at once", 0, 20_000}, {"the first have rested", time.Minute, 10_000}} {
		k := limit.NewKeys(1, 2)
		for i := range 10_000 {
			k.Allow(fmt.Sprint("a", i), at)
		}
		for i := range 10_000 {
			k.Allow(fmt.Sprint("b", i), at.Add(tt.later))
		}
		if got := k.Len(); got != tt.want {
			t.Errorf("%s: %d keys are remembered, want %d", tt.name, got, tt.want)
		}
	}
}

func TestAClientIsKnownByItsAddress(t *testing.T) {
	tests := []struct {
		name, remote string
		forwarded    []string
		proxies      int
		want         string
		local        bool
	}{
		{"IPv4", "192.0.2.7:1234", nil, 0, "192.0.2.7", false},
		{"IPv4 in IPv6", "[::ffff:192.0.2.7]:1234", nil, 0, "192.0.2.7", false},
		{"IPv6", "[2001:db8:1:2:3:4:5:6]:1234", nil, 0, "2001:db8:1:2::/64", false},
		{"IPv6 with a zone", "[fe80::1%eth0]:1234", nil, 0, "fe80::/64", false},
		{"this machine", "127.0.0.1:1234", nil, 0, "127.0.0.1", true},
		{"this machine, IPv6", "[::1]:1234", nil, 0, "::/64", true},
		{"a header that nobody trusts", "192.0.2.7:1234", []string{"198.51.100.1"}, 0, "192.0.2.7", false},
		{"one proxy", "10.0.0.1:1234", []string{"198.51.100.1"}, 1, "198.51.100.1", false},
		{"one proxy, and what the client says of itself", "10.0.0.1:1234", []string{"203.0.113.9, 198.51.100.1"}, 1, "198.51.100.1", false},
		{"two proxies", "10.0.0.1:1234", []string{"203.0.113.9, 198.51.100.1", "10.0.0.2"}, 2, "198.51.100.1", false},
		{"a proxy that writes ports", "10.0.0.1:1234", []string{"[2001:db8::1]:99"}, 1, "2001:db8::/64", false},
		{"a client that came past the proxies", "192.0.2.7:1234", []string{"198.51.100.1"}, 2, "192.0.2.7", false},
		{"an entry that is none", "10.0.0.1:1234", []string{"unknown"}, 1, "10.0.0.1", false},
		{"a proxy of this machine", "127.0.0.1:1234", []string{"198.51.100.1"}, 1, "198.51.100.1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
			r.RemoteAddr = tt.remote
			for _, line := range tt.forwarded {
				r.Header.Add("X-Forwarded-For", line)
			}
			if got, local := limit.Address(r, tt.proxies); got != tt.want || local != tt.local {
				t.Errorf("Address = %q, local %v; want %q, %v", got, local, tt.want, tt.local)
			}
		})
	}
}
