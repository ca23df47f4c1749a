package query

import "net/http"

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
