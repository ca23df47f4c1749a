package gateway

import (
	"net/http"
	"slices"

	"github.com/waybill-io/waybill/internal/origin"
)

const (
	streamMethods = "GET, POST, OPTIONS"
	streamHeaders = "Authorization, Content-Type, Last-Event-ID"
)

// preflight answers a browser that asks whether a page may open a stream, which
// one of a listed origin may.
func (g *Gateway) preflight(w http.ResponseWriter, r *http.Request, listed bool) {
	w.Header().Set("Cache-Control", "no-store")
	if !listed {
		if r.Header.Get("Origin") != "" {
			g.meter.origins.Inc()
		}
		refuseStream(w, &refusal{http.StatusForbidden, "origin", "this origin may not connect"})
		return
	}
	wanted := r.Header.Get("Access-Control-Request-Method")
	if !slices.Contains([]string{http.MethodGet, http.MethodPost}, wanted) {
		refuseStream(w, &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "a stream is opened with GET or POST"})
		return
	}
	origin.Allow(w, streamMethods, streamHeaders)
}
