package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"unicode/utf8"
)

// The frames that a client sends.
type (
	helloFrame struct {
		T      string         `json:"t"` // hello
		V      int            `json:"v"`
		Token  string         `json:"token"`
		Client string         `json:"client"`
		Subs   []subscribeRow `json:"subs"`
	}
	subscribeFrame struct {
		T string `json:"t"` // sub
		subscribeRow
	}
	subscribeRow struct {
		SID    int64       `json:"sid"`
		Topic  Topic       `json:"topic"`
		Filter Filter      `json:"filter,omitempty"`
		MaxHz  float64     `json:"max_hz,omitempty"`
		Since  *sinceFrame `json:"since,omitempty"`
	}
	sinceFrame struct {
		Epoch string `json:"epoch"`
		Seq   int64  `json:"seq"`
		Shape string `json:"shape"`
	}
	unsubscribeFrame struct {
		T   string `json:"t"` // unsub
		SID int64  `json:"sid"`
	}
	authFrame struct {
		T     string `json:"t"` // auth
		Token string `json:"token"`
	}
	pongFrame struct {
		T string `json:"t"` // pong
	}
)

// The frames that a server sends.
type (
	welcomeFrame struct {
		Conn      string `json:"conn"`
		Heartbeat int64  `json:"hb_ms"`
		Reconnect struct {
			Base int64 `json:"base_ms"`
			Max  int64 `json:"max_ms"`
		} `json:"reconnect"`
		Limits struct {
			Rows int `json:"rows"`
		} `json:"limits"`
		Now int64 `json:"now"`
	}
	snapFrame struct {
		SID   int64      `json:"sid"`
		Epoch string     `json:"epoch"`
		Page  int        `json:"page"`
		Rows  []namedRow `json:"rows"`
		More  bool       `json:"more"`
	}
	liveFrame struct {
		SID     int64  `json:"sid"`
		Epoch   string `json:"epoch"`
		Shape   string `json:"shape"`
		Q       int64  `json:"q"`
		Resumed bool   `json:"resumed"`
		Rows    *int   `json:"rows"`
	}
	deltaFrame struct { // d and ev
		SID int64             `json:"sid"`
		P   int64             `json:"p"`
		Q   int64             `json:"q"`
		TS  int64             `json:"ts"`
		U   []namedRow        `json:"u"`
		E   []namedRow        `json:"e"`
		R   []json.RawMessage `json:"r"`
		N   int               `json:"n"`
	}
	heartbeatFrame struct {
		Now int64           `json:"now"`
		Lag int64           `json:"lag_ms"`
		Q   map[int64]int64 `json:"q"`
	}
	resetFrame struct {
		SID   int64  `json:"sid"`
		Code  string `json:"code"`
		Retry int64  `json:"retry_ms"`
	}
	errFrame struct {
		SID   int64  `json:"sid"` // 0, which is none of ours, for no subscription
		Code  string `json:"code"`
		Msg   string `json:"msg"`
		Retry int64  `json:"retry_ms"`
	}
	authreqFrame struct{}
	goawayFrame  struct {
		Code      string `json:"code"`
		Reconnect int64  `json:"reconnect_in_ms"`
	}
)

// namedRow is a row with its id.
type namedRow struct {
	id  string
	row Row
}

// UnmarshalJSON keeps the row and reads what names it.
func (r *namedRow) UnmarshalJSON(text []byte) error {
	var name struct {
		ID       string `json:"id"`
		Stream   string `json:"stream"`
		StreamID string `json:"stream_id"`
		Source   string `json:"source"`
	}
	if err := json.Unmarshal(text, &name); err != nil {
		return err
	}
	if name.ID == "" {
		return errors.New("a row has no id")
	}
	r.row, r.id = bytes.Clone(text), name.ID
	if name.Stream != "" {
		r.id = entryID(name.Stream, name.StreamID, name.Source, name.ID)
	}
	return nil
}

// removed are the ids of r: texts, or the parts of an entry's.
func (f *deltaFrame) removed() ([]string, error) {
	ids := make([]string, 0, len(f.R))
	for _, text := range f.R {
		var id string
		var parts [4]string
		switch {
		case json.Unmarshal(text, &id) == nil:
			ids = append(ids, id)
		case json.Unmarshal(text, &parts) == nil:
			ids = append(ids, entryID(parts[0], parts[1], parts[2], parts[3]))
		default:
			return nil, broken("r holds %.60q, which is no id", text)
		}
	}
	return ids, nil
}

// put are the rows of a state and the entries of a log.
func (f *deltaFrame) put() []namedRow {
	if len(f.E) > 0 {
		return append(f.U, f.E...)
	}
	return f.U
}

// lines are the frames of a message, or why it is none.
func lines(text []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !utf8.Valid(text) {
			yield(nil, broken("a message is not UTF-8"))
			return
		}
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(bytes.TrimSpace(line)) > 0 && !yield(line, nil) {
				return
			}
		}
	}
}

// kindOf is the kind of a frame.
func kindOf(line []byte) (string, error) {
	var head struct {
		T string `json:"t"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return "", broken("frame %.60q: %v", line, err)
	}
	if head.T == "" {
		return "", broken("frame %.60q has no kind", line)
	}
	return head.T, nil
}

// decode reads a frame of a known kind. What it does not know is left out.
func decode[T any](line []byte) (*T, error) {
	f := new(T)
	if err := json.Unmarshal(line, f); err != nil {
		return nil, broken("frame %.60q: %v", line, err)
	}
	return f, nil
}
