package origin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// List is the origins of pages of other hosts, such as "https://app.example.com".
type List []string

// Validate reports every entry that could never be an origin: an origin is a
// scheme, a host and maybe a port, and nothing stands for "any".
func (l List) Validate() error {
	var problems []error
	for _, text := range l {
		if _, ok := Parse(text); !ok || strings.Contains(text, "*") {
			problems = append(problems, fmt.Errorf("origin %q is not like https://app.example.com", text))
		}
	}
	return errors.Join(problems...)
}

// Has reports whether an origin is one of the list.
func (l List) Has(text string) bool {
	asked, ok := Parse(text)
	if !ok {
		return false
	}
	for _, entry := range l {
		if listed, ok := Parse(entry); ok && asked == listed {
			return true
		}
	}
	return false
}

// Admits reports whether a request comes from no page (no browser sent it), from
// a page of our own, or from one of the list.
func (l List) Admits(r *http.Request) bool {
	values := r.Header.Values("Origin")
	switch len(values) {
	case 0:
		return true
	case 1:
		return own(r, values[0]) || l.Has(values[0])
	}
	return false
}

// own reports whether an origin is that of the host which was asked.
func own(r *http.Request, text string) bool {
	asked, ok := Parse(text)
	if !ok {
		return false
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	ours, ok := Parse(scheme + "://" + r.Host)
	return ok && asked == ours
}

// Of is the Origin of a request as it was written, when it is on the list; ""
// otherwise.
func (l List) Of(r *http.Request) string {
	values := r.Header.Values("Origin")
	if len(values) != 1 || !l.Has(values[0]) {
		return ""
	}
	return values[0]
}

// Share lets a page of the list read the answer, with the headers that expose
// names, and reports whether it is one. A page of our own needs no leave, and no
// other page gets it.
func (l List) Share(w http.ResponseWriter, r *http.Request, expose string) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	page := l.Of(r)
	if page == "" {
		return false
	}
	h.Set("Access-Control-Allow-Origin", page)
	h.Set("Access-Control-Expose-Headers", expose)
	return true
}

// Asks reports whether a browser asks if a page may send a request.
func Asks(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// Allow answers a browser that asks, of a page that the answer is shared with.
func Allow(w http.ResponseWriter, methods, headers string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// Parse brings an origin into the one spelling that compares.
func Parse(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	case u.Scheme == "https":
		port = "443"
	default:
		return "", false
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port), true
}
