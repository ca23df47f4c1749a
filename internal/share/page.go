package share

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/internal/limit"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS []byte
)

// Config sets up a Page. Every zero field has a default.
type Config struct {
	// PerLink and PerAddress are how often a second a link may be opened, and how
	// often anybody at an address may open any; ten times as often at once.
	// Clients on this machine are not counted as of one address. Default to 2 and
	// 5.
	PerLink    float64
	PerAddress float64
	// Proxies is how many proxies stand before the page, of which each appends to
	// X-Forwarded-For. Defaults to none: the header is not looked at.
	Proxies int
	// Timeout bounds an answer. Defaults to 2 s.
	Timeout time.Duration
	// Metrics takes the counter of answers. Defaults to nothing.
	Metrics prometheus.Registerer
	// Log defaults to nothing.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.PerLink == 0 {
		c.PerLink = 2
	}
	if c.PerAddress == 0 {
		c.PerAddress = 5
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// burst is how many seconds' worth of requests may come at once.
const burst = 10

// cssPath is where the page's style is.
const cssPath = Path + "track.css"

// Page answers below [Path] with what a link shows: a page, or JSON for whoever
// asks for it.
type Page struct {
	store     Store
	cfg       Config
	links     *limit.Keys
	addresses *limit.Keys
	html      *template.Template
	css       string // its ETag
	answers   *prometheus.CounterVec
}

// NewPage returns the handler of all paths below [Path].
func NewPage(store Store, cfg Config) (*Page, error) {
	cfg = cfg.withDefaults()
	html, err := template.New("page").Funcs(phrases()).Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("read the page of links: %w", err)
	}
	sum := sha256.Sum256(pageCSS)
	p := &Page{
		store: store, cfg: cfg, html: html, css: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		links:     limit.NewKeys(cfg.PerLink, int(burst*cfg.PerLink)),
		addresses: limit.NewKeys(cfg.PerAddress, int(burst*cfg.PerAddress)),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_link_answers_total", Help: "Answers to requests for what a link shows, by status."}, []string{"status"}),
	}
	if cfg.Metrics != nil {
		err = cfg.Metrics.Register(p.answers)
	}
	return p, err
}

// ServeHTTP answers. A secret stands in the path, so paths are never logged.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		p.answer(w, r, http.StatusMethodNotAllowed, nil)
		return
	}
	if r.URL.Path == cssPath {
		p.style(w, r)
		return
	}
	secret := Secret(strings.TrimPrefix(r.URL.Path, Path))
	if !p.mayAsk(r, secret) {
		w.Header().Set("Retry-After", strconv.Itoa(1+int(1/p.cfg.PerLink)))
		p.answer(w, r, http.StatusTooManyRequests, nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), p.cfg.Timeout)
	defer cancel()
	s, err := p.store.Shared(ctx, secret)
	switch {
	case err == nil:
		p.answer(w, r, http.StatusOK, newDocument(s, time.Now()))
	case errors.Is(err, ErrNotFound):
		p.answer(w, r, http.StatusNotFound, nil)
	default:
		p.cfg.Log.Warn("what a link shows cannot be read", "link", secret.Digest().ID(), "error", err)
		w.Header().Set("Retry-After", "2")
		p.answer(w, r, http.StatusServiceUnavailable, nil)
	}
}

// mayAsk spends a request of the address and one of the secret, whether that is
// of a link or not.
func (p *Page) mayAsk(r *http.Request, secret Secret) bool {
	now := time.Now()
	address, local := limit.Address(r, p.cfg.Proxies)
	return (local || p.addresses.Allow(address, now)) && p.links.Allow(secret.Digest().ID(), now)
}

// style answers with the page's style sheet.
func (p *Page) style(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", p.css)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(pageCSS))
}

// answer writes a document, or why there is none, as the client likes it.
func (p *Page) answer(w http.ResponseWriter, r *http.Request, status int, d *document) {
	p.answers.WithLabelValues(strconv.Itoa(status)).Inc()
	body, kind, err := p.body(wantsJSON(r), status, d)
	if err != nil {
		p.cfg.Log.Error("what a link shows cannot be written", "error", err)
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that hung up needs no answer
	}
}

func (p *Page) body(inJSON bool, status int, d *document) (body []byte, kind string, err error) {
	switch {
	case !inJSON:
		var out bytes.Buffer
		err = p.html.Execute(&out, view{Doc: d, Refusal: refusalOf(status)})
		return out.Bytes(), "text/html; charset=utf-8", err
	case d == nil:
		body, err = json.Marshal(problemOf(status))
		return append(body, '\n'), "application/problem+json", err
	}
	body, err = json.Marshal(d)
	return append(body, '\n'), "application/json", err
}

// wantsJSON reports whether a client asks for JSON and not for a page.
func wantsJSON(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

// policy is the content security policy of the page, which has no script.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// secure sets the headers of every answer: nobody keeps it, indexes it, frames it
// or is told where its reader came from.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Vary", "Accept")
}
