package wire

import (
	"io"
	"net/http"
	"sync/atomic"
)

// door answers with 503 until it leads somewhere.
type door struct {
	inside atomic.Pointer[http.Handler]
}

func (d *door) lead(to http.Handler) { d.inside.Store(&to) }

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if inside := d.inside.Load(); inside != nil {
		(*inside).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "2")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `{"status":503,"code":"starting","title":"the database is not there yet"}`+"\n") // the client is gone if this fails
}
