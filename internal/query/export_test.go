package query

import (
	"fmt"
	"net/http"
	"time"
)

// Patterns lists what the routes register with the multiplexer.
func Patterns() []string {
	var r recorder
	new(api).routes(&r)
	return r.patterns
}

type recorder struct {
	http.ServeMux
	patterns []string
}

func (r *recorder) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	r.patterns = append(r.patterns, pattern)
	r.ServeMux.HandleFunc(pattern, h)
}

// Remembered reports how many users a limiter remembers after n users asked once
// at each of the given moments.
func Remembered(n int, moments ...time.Time) int {
	l := newLimiter(1)
	for i, now := range moments {
		for u := range n {
			l.allow(fmt.Sprint(i, "|", u), now)
		}
	}
	return len(l.users)
}
