package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-io/waybill/internal/fanout"
)

// wishes is the body of a POST.
type wishes struct {
	Subs []subFrame `json:"subs"`
}

func badStream(detail string) *refusal {
	return &refusal{http.StatusBadRequest, string(fanout.BadRequest), detail}
}

// wanted reads what a request asks for: sub frames in the query of a GET or in
// the body of a POST, from where Last-Event-ID says.
func (g *Gateway) wanted(w http.ResponseWriter, r *http.Request) ([]subFrame, *refusal) {
	read := inQuery
	if r.Method == http.MethodPost {
		read = func(r *http.Request) ([]subFrame, *refusal) { return g.inBody(w, r) }
	}
	subs, refused := read(r)
	if refused == nil {
		refused = checkSubs(subs)
	}
	if refused != nil {
		return nil, refused
	}
	resumeFrom(subs, r.Header.Values("Last-Event-ID"))
	return subs, nil
}

func inQuery(r *http.Request) ([]subFrame, *refusal) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badStream("the query cannot be read")
	}
	var subs []subFrame
	for _, text := range query["sub"] {
		f, problem := decode[subFrame]([]byte(text))
		if problem != nil {
			return nil, badStream("sub: " + problem.Msg)
		}
		subs = append(subs, *f)
	}
	return subs, nil
}

func (g *Gateway) inBody(w http.ResponseWriter, r *http.Request) ([]subFrame, *refusal) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "unsupported_media_type", "the body is application/json"}
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(g.cfg.MessageTimeout)) // without it the server's own limits hold
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.cfg.MessageBytes))
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "too_large",
			"the body has more than " + strconv.FormatInt(tooBig.Limit, 10) + " bytes"}
	}
	if err != nil {
		return nil, badStream("the body cannot be read")
	}
	_ = c.SetReadDeadline(time.Time{})
	f, problem := decode[wishes](text)
	if problem != nil {
		return nil, badStream("the body is not {\"subs\":[…]} with sub frames")
	}
	return f.Subs, nil
}

// checkSubs holds the sub frames of a request against what one can see of them
// without knowing whose they are.
func checkSubs(subs []subFrame) *refusal {
	if len(subs) == 0 {
		return badStream("a stream needs a subscription: sub={\"sid\":1,\"topic\":\"orders\"}")
	}
	seen := make(map[int64]bool, len(subs))
	for _, f := range subs {
		if f.T != "" && f.T != "sub" {
			return badStream("t of a subscription is sub, or left out")
		}
		if problem := checkSID(f.SID); problem != nil {
			return badStream(problem.Msg)
		}
		if seen[*f.SID] {
			return badStream("two subscriptions have the sid " + sidText(*f.SID))
		}
		seen[*f.SID] = true
	}
	return nil
}

// resumeFrom lets the subscriptions go on from where the last event took the
// client, which counts for more than what the request itself says: a client that
// comes back repeats its first request. An id that is not one of ours resumes
// nothing, and says so to each of them.
func resumeFrom(subs []subFrame, ids []string) {
	if len(ids) == 0 || slices.Equal(ids, []string{""}) {
		return
	}
	places, ok := parsePlaces(strings.Join(ids, ","))
	for i := range subs {
		subs[i].Since = nil
		if !ok {
			subs[i].Since = &sinceFrame{}
		} else if at, had := places[*subs[i].SID]; had {
			subs[i].Since = &sinceFrame{Epoch: at.Epoch, Seq: at.Seq, Shape: at.Shape}
		}
	}
}

// appendPlaces writes places as the id of an event: sid:epoch:shape:seq, joined
// by commas.
func appendPlaces(b []byte, places []fanout.Place) []byte {
	sep := false
	for _, p := range places {
		if !plain(p.Epoch) || !plain(p.Shape) {
			continue
		}
		if sep {
			b = append(b, ',')
		}
		sep = true
		b = strconv.AppendInt(b, p.SID, 10)
		b = append(append(append(append(b, ':'), p.Epoch...), ':'), p.Shape...)
		b = strconv.AppendInt(append(b, ':'), p.Seq, 10)
	}
	return b
}

// parsePlaces reads the id of an event; false when any of it is not as
// appendPlaces writes it.
func parsePlaces(id string) (map[int64]fanout.Since, bool) {
	places := make(map[int64]fanout.Since)
	for text := range strings.SplitSeq(id, ",") {
		part := strings.Split(text, ":")
		if len(part) != 4 || !plain(part[1]) || !plain(part[2]) {
			return nil, false
		}
		sid, ok := whole(part[0])
		seq, also := whole(part[3])
		if _, twice := places[sid]; !ok || !also || twice || checkSID(&sid) != nil {
			return nil, false
		}
		places[sid] = fanout.Since{Epoch: part[1], Seq: seq, Shape: part[2]}
	}
	return places, true
}

// whole reads a number that has one spelling.
func whole(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == text
}

// plain reports whether s is made of what epochs and shapes are made of.
func plain(s string) bool {
	for _, c := range []byte(s) {
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func sidText(sid int64) string { return strconv.FormatInt(sid, 10) }
