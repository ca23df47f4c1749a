package gateway

import (
	"bytes"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/internal/fanout"
)

// The frames that a client sends.
type (
	hello struct {
		T      string     `json:"t"`
		V      int        `json:"v"`
		Token  string     `json:"token"`
		Client string     `json:"client"`
		Subs   []subFrame `json:"subs"`
	}
	subFrame struct {
		T      string         `json:"t"`
		SID    *int64         `json:"sid"`
		Topic  string         `json:"topic"`
		Filter jsontext.Value `json:"filter"`
		MaxHz  float64        `json:"max_hz"`
		Since  *sinceFrame    `json:"since"`
	}
	sinceFrame struct {
		Epoch string `json:"epoch"`
		Seq   int64  `json:"seq"`
		Shape string `json:"shape"`
	}
	unsubFrame struct {
		T   string `json:"t"`
		SID *int64 `json:"sid"`
	}
	authFrame struct {
		T     string `json:"t"`
		Token string `json:"token"`
	}
	pongFrame struct {
		T string `json:"t"`
	}
	ackFrame struct {
		T   string `json:"t"`
		SID *int64 `json:"sid"`
		Q   int64  `json:"q"`
	}
)

// maxSID keeps subscription ids exact in every client's numbers.
const maxSID = 1<<31 - 1

// request is what a frame whose sid was checked asks for.
func (f subFrame) request() fanout.Request {
	r := fanout.Request{SID: *f.SID, Topic: fanout.Topic(f.Topic), Filter: f.Filter, MaxHz: f.MaxHz}
	if f.Since != nil {
		r.Since = &fanout.Since{Epoch: f.Since.Epoch, Seq: f.Since.Seq, Shape: f.Since.Shape}
	}
	return r
}

func bad(msg string) *fanout.Error { return &fanout.Error{Code: fanout.BadRequest, Msg: msg} }

// decode reads a frame strictly: no unknown, no double field, nothing behind it.
func decode[T any](text []byte) (*T, *fanout.Error) {
	f := new(T)
	if err := json.Unmarshal(text, f, json.RejectUnknownMembers(true)); err != nil {
		return nil, bad(flaw(err))
	}
	return f, nil
}

func decodeHello(text []byte) (*hello, *fanout.Error) {
	var first pongFrame // a frame of which nothing but t is known
	switch err := json.Unmarshal(text, &first); {
	case err != nil:
		return nil, bad(flaw(err))
	case first.T == "":
		return nil, bad("the first frame is hello, and this one has no t")
	case first.T != "hello":
		return nil, bad(fmt.Sprintf("the first frame is hello, not %q", cut(first.T, mostField)))
	}
	return decode[hello](text)
}

// envelope is what all frames share; it is read first, so that an error can name
// the subscription.
type envelope struct {
	T   string `json:"t"`
	SID *int64 `json:"sid"`
}

// next splits a message into its first frame and the rest. Of what is no JSON
// all is the first frame.
func next(text []byte) (frame, rest []byte) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	v, err := d.ReadValue()
	if err != nil {
		return text, nil
	}
	return v, bytes.TrimSpace(text[d.InputOffset():])
}

// commands carries out the frames of a message. It returns 0 or the code to
// close with.
func (s *session) commands(text []byte) fanout.CloseCode {
	for {
		now := time.Now()
		ok, enough := s.budget.take(now)
		if enough {
			return fanout.CloseOverloaded
		}
		frame, rest := next(text)
		if code := s.command(frame, ok, now); code != 0 || len(rest) == 0 {
			return code
		}
		text = rest
	}
}

// command carries out one frame, if the budget allows it.
func (s *session) command(line []byte, ok bool, now time.Time) fanout.CloseCode {
	var e envelope
	if err := json.Unmarshal(line, &e); err != nil {
		return s.answer(nil, bad("a frame is a JSON object with t, and with sid where it is of a subscription"))
	}
	if !ok {
		if s.budget.tell(now) {
			s.live().Refuse(e.SID, &fanout.Error{Code: fanout.RateLimited, Msg: "too many commands"})
		}
		return 0
	}
	switch e.T {
	case "sub":
		return s.subscribe(line, e.SID)
	case "unsub":
		return s.unsubscribe(line, e.SID)
	case "auth":
		return s.renew(line)
	case "pong":
		_, problem := decode[pongFrame](line)
		return s.answer(nil, problem)
	case "ack":
		_, problem := decode[ackFrame](line)
		return s.answer(e.SID, problem)
	}
	return s.answer(e.SID, bad("t is none of sub, unsub, auth, pong, ack"))
}

func (s *session) subscribe(line []byte, sid *int64) fanout.CloseCode {
	f, problem := decode[subFrame](line)
	if problem == nil {
		problem = s.start(*f)
	}
	return s.answer(sid, problem)
}

// start begins a subscription, asked for by itself or with the hello.
func (s *session) start(f subFrame) *fanout.Error {
	if problem := checkSID(f.SID); problem != nil {
		return problem
	}
	return s.live().Subscribe(f.request())
}

func (s *session) unsubscribe(line []byte, sid *int64) fanout.CloseCode {
	f, problem := decode[unsubFrame](line)
	if problem == nil {
		problem = checkSID(f.SID)
	}
	if problem == nil {
		s.live().Unsubscribe(*f.SID)
	}
	return s.answer(sid, problem)
}

func checkSID(sid *int64) *fanout.Error {
	if sid == nil || *sid < 0 || *sid > maxSID {
		return bad("sid is a whole number from 0 to 2147483647")
	}
	return nil
}

// renew takes a new token. It must be of the same subject, with the same rights.
func (s *session) renew(line []byte) fanout.CloseCode {
	f, problem := decode[authFrame](line)
	if problem != nil {
		return s.answer(nil, problem)
	}
	peer, code := s.gateway.identify(f.Token, s.log())
	switch {
	case code == fanout.CloseInternal:
		return s.answer(nil, &fanout.Error{Code: fanout.Internal, Msg: "the token could not be looked at"})
	case code == fanout.CloseUnauthenticated || code == fanout.CloseRevoked:
		return s.answer(nil, &fanout.Error{Code: fanout.Unauthenticated, Msg: "the token was not accepted"})
	case code != 0 || !s.live().Renew(peer):
		return fanout.ClosePermissions
	}
	return 0
}

// answer tells the client of a problem, if there is one, and ends it when there
// were too many.
func (s *session) answer(sid *int64, problem *fanout.Error) fanout.CloseCode {
	if problem == nil {
		return 0
	}
	if checkSID(sid) != nil {
		sid = nil
	}
	s.live().Refuse(sid, problem)
	if s.errors++; s.errors >= s.gateway.cfg.Errors {
		s.ws.because("too many errors, the last: " + problem.Msg)
		return fanout.CloseBadProtocol
	}
	return 0
}
