package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/gateway"
)

// call asks for a socket from an address, without the headers of a handshake: who
// is not refused for coming too fast is told that they are missing.
func (s *stack) call(remote string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/v1/live", http.NoBody)
	r.RemoteAddr = remote
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.gateway.ServeHTTP(w, r)
	return w
}

// passed counts who of n is let in.
func (s *stack) passed(n int, from func(i int) string) (passed int) {
	s.t.Helper()
	for i := range n {
		switch w := s.call(from(i)); w.Code {
		case http.StatusUpgradeRequired:
			passed++
		case http.StatusServiceUnavailable:
			if after, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || after < 1 || after > 10 {
				s.t.Fatalf("Retry-After %q, want a number of seconds from 1 to 10", w.Header().Get("Retry-After"))
			}
		default:
			s.t.Fatalf("status %d, want 426 or 503", w.Code)
		}
	}
	return passed
}

// refill is how many more are let in for the time since began, at a rate a second.
func refill(rate int, began time.Time) int {
	return int(float64(rate)*time.Since(began).Seconds()) + 1
}

func everybody(i int) string { return fmt.Sprintf("198.51.%d.%d:1", i/250, i%250) }

// A server that was restarted gets all of its clients back at once.
func TestAStormOfHandshakesIsLetInUpToALimit(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	began := time.Now()
	if got := s.passed(2000, everybody); got != 2000 {
		t.Errorf("%d of 2,000 clients at once were let in, want all", got)
	}
	got := s.passed(8000, everybody)
	if most := 500 + refill(500, began); got < 400 || got > most {
		t.Errorf("%d of 8,000 more, want those that are left of 2,500 and some for the time it took, %d at most", got, most)
	}
	if got := s.metric("waybill_ws_handshakes_refused_total", "node"); got < 5000 {
		t.Errorf("%v handshakes were counted as refused, want the other 5,000 and more", got)
	}
}

func TestAnAddressThatComesTooFastTakesNothingFromOthers(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{Handshakes: 60})
	began := time.Now()
	got := s.passed(5000, func(int) string { return "203.0.113.9:1" })
	if most := 250 + refill(50, began); got < 250 || got > most {
		t.Errorf("%d of 5,000 handshakes of one address were let in, want 250 to %d", got, most)
	}
	if got := s.passed(20, everybody); got != 20 {
		t.Errorf("%d of 20 others were let in, want all", got)
	}
	if got := s.metric("waybill_ws_handshakes_refused_total", "address"); got < 4000 {
		t.Errorf("%v handshakes were counted as refused, want the other 4,700", got)
	}
}

func TestWhatAClientSaysOfItsAddressCountsOnlyBehindAProxy(t *testing.T) {
	for proxies, want := range map[int]int{0: 5, 1: 20} {
		s := start(t, hubConfig(), gateway.Config{AddressHandshakes: 1, Proxies: proxies})
		passed, began := 0, time.Now()
		for i := range 20 {
			if s.call("203.0.113.9:1", "X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i)).Code == http.StatusUpgradeRequired {
				passed++
			}
		}
		if passed < want || passed > want+refill(1, began) {
			t.Errorf("behind %d proxies %d of 20 were let in, want %d", proxies, passed, want)
		}
	}
}
