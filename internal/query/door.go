package query

import (
	"context"
	"crypto/rand"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/internal/origin"
)

// door is what every request passes: it has a time and an id, its answer is not
// to be kept, framed or guessed at, and what no operation takes gets a problem.
type door struct {
	mux     *http.ServeMux
	origins origin.List
	timeout time.Duration
	seconds *prometheus.HistogramVec
}

func newHistogram(to prometheus.Registerer) (*prometheus.HistogramVec, error) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "waybill_query_seconds",
		Help:    "Time to answer a request of the read API.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2},
	}, []string{"route", "status"})
	if to == nil {
		return seconds, nil
	}
	return seconds, to.Register(seconds)
}

// ServeHTTP answers.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began, id := time.Now(), rand.Text()
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), requestKey, id), d.timeout)
	defer cancel()
	r = r.WithContext(ctx)

	h := w.Header()
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	listed := d.origins.Share(w, r, "Retry-After, X-Request-Id")
	if !listed {
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	}

	out := &reply{ResponseWriter: w}
	_, pattern := d.mux.Handler(r)
	switch {
	case listed && origin.Asks(r):
		origin.Allow(out, "GET, OPTIONS", "Authorization")
	case path.Clean(r.URL.Path) != r.URL.Path:
		notFound().write(out) // the multiplexer would redirect
	case pattern == "":
		d.mux.ServeHTTP(&refusal{reply: out}, r)
	default:
		d.mux.ServeHTTP(out, r)
	}
	d.seconds.WithLabelValues(r.Pattern, strconv.Itoa(out.status)).Observe(time.Since(began).Seconds())
}

// reply remembers the status.
type reply struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status and passes it on.
func (r *reply) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// refusal puts a problem in place of the multiplexer's own text. What the
// multiplexer said in headers, such as Allow, stays.
type refusal struct{ *reply }

// WriteHeader writes the whole answer.
func (r *refusal) WriteHeader(status int) {
	p := notFound()
	if status == http.StatusMethodNotAllowed {
		p = refuse(status, CodeMethod, "The path does not take this method.")
	}
	p.write(r.reply)
}

// Write drops the multiplexer's text.
func (r *refusal) Write(text []byte) (int, error) { return len(text), nil }
