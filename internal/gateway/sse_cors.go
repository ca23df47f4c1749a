package gateway

import (
	"net/http"
	"slices"
)

const (
	streamMethods = "GET, POST, OPTIONS"
	streamHeaders = "Authorization, Content-Type, Last-Event-ID"
)

// share lets a page of a listed origin read the answer. A page of our own needs
// no leave, and no other page gets it.
func (g *Gateway) share(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	if origin := g.listed(r); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Retry-After")
	}
}

// listed is the Origin of a request as it was written, when it is on the list;
// "" otherwise.
func (g *Gateway) listed(r *http.Request) string {
	values := r.Header.Values("Origin")
	if len(values) != 1 || !inList(values[0], g.cfg.Origins) {
		return ""
	}
	return values[0]
}

// preflight answers a browser that asks whether a page may open a stream.
func (g *Gateway) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if g.listed(r) == "" {
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
	h.Set("Access-Control-Allow-Methods", streamMethods)
	h.Set("Access-Control-Allow-Headers", streamHeaders)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
