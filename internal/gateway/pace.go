package gateway

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/waybill-io/waybill/internal/limit"
)

// burstSeconds is how many seconds' worth of handshakes may come at once: all
// clients of a server that was restarted do.
const burstSeconds = 5

// pace is how fast clients are let in.
type pace struct {
	all     *rate.Limiter
	address *limit.Keys
	proxies int
}

func newPace(cfg Config) pace {
	return pace{
		all:     rate.NewLimiter(rate.Limit(cfg.Handshakes), burstSeconds*cfg.Handshakes),
		address: limit.NewKeys(float64(cfg.AddressHandshakes), burstSeconds*cfg.AddressHandshakes),
		proxies: cfg.Proxies,
	}
}

// refuses says who comes too fast: "address" or "node", or nobody. One address
// above its own pace takes nothing from the others. This machine is no address:
// it stands for a proxy that nobody has counted, or for a test.
func (p *pace) refuses(r *http.Request, now time.Time) string {
	address, local := limit.Address(r, p.proxies)
	switch {
	case !local && !p.address.Allow(address, now):
		return "address"
	case !p.all.AllowN(now, 1):
		return "node"
	}
	return ""
}

// hurried refuses a handshake that comes too soon after others; nil lets it
// pass.
func (g *Gateway) hurried(r *http.Request) *refusal {
	who := g.pace.refuses(r, time.Now())
	if who == "" {
		return nil
	}
	g.meter.hurried.WithLabelValues(who).Inc()
	return overloaded("too many handshakes at the moment")
}

func overloaded(detail string) *refusal {
	return &refusal{http.StatusServiceUnavailable, "overloaded", detail}
}

// comeBack tells when to try again, each client another time.
func comeBack(h http.Header) {
	const most = 10 // seconds
	h.Set("Retry-After", strconv.Itoa(1+rand.IntN(most)))
}
