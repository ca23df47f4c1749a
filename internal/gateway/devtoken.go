package gateway

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/origin"
)

// Signer mints tokens.
type Signer interface {
	Mint(p auth.Principal, life time.Duration) (token string, expires time.Time, err error)
}

// devTokenLife is how long a token of DevToken is good.
const devTokenLife = time.Hour

// DevToken answers POST with a token for principal, whose Expires does not
// matter. It is for a developer's machine and for nothing else: it answers only
// a client on the loopback interface that asked a loopback host, through no proxy,
// from no page, from a page of that same host, or from one of the list that is of
// a loopback host too.
func DevToken(signer Signer, principal auth.Principal, pages origin.List) http.Handler {
	pages = slices.DeleteFunc(slices.Clone(pages), func(page string) bool { return !loopbackPage(page) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		listed := pages.Share(w, r, "Allow")
		switch {
		case listed && origin.Asks(r):
			origin.Allow(w, "POST, OPTIONS", "Content-Type")
			return
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			problem(w, http.StatusMethodNotAllowed, "method_not_allowed", "a token is made with POST")
			return
		case !fromThisMachine(r):
			problem(w, http.StatusForbidden, "not_local", "development tokens are for this machine only")
			return
		case !listed && foreignPage(r):
			problem(w, http.StatusForbidden, "origin", "development tokens are for our own page, and for pages of this machine whose origin is on the list (--origins)")
			return
		}
		token, expires, err := signer.Mint(principal, devTokenLife)
		if err != nil {
			problem(w, http.StatusInternalServerError, "internal", "the token could not be made")
			return
		}
		answerToken(w, token, principal.Tenant, expires)
	})
}

func answerToken(w http.ResponseWriter, token, tenant string, expires time.Time) {
	body, err := json.Marshal(struct {
		Token   string    `json:"token"`
		Tenant  string    `json:"tenant"`
		Expires time.Time `json:"expires_at"`
	}{token, tenant, expires.UTC()})
	if err != nil {
		problem(w, http.StatusInternalServerError, "internal", "the token could not be made")
		return
	}
	secure(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the client is gone if this fails
}

// fromThisMachine looks at the connection and at the host that was asked: a
// foreign name may point here too.
func fromThisMachine(r *http.Request) bool {
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !loopback(remote) {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if !loopback(host) {
		return false
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	return true
}

// foreignPage reports whether a page that is not ours asks.
func foreignPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return !origin.List(nil).Admits(r) || site != "" && site != "same-origin" && site != "none"
}

// loopbackPage reports whether an origin is of this machine.
func loopbackPage(page string) bool {
	u, err := url.Parse(page)
	return err == nil && loopback(u.Hostname())
}

// loopback reports whether a host is this machine by definition.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
