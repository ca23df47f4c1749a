package fanout

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// The frames that the server sends and that are not made of rows. Deltas and
// snapshot pages are put together in batch.go and snapshot.go, from parts that
// many connections share.
type (
	welcomeFrame struct {
		T         string         `json:"t"` // welcome
		Conn      string         `json:"conn"`
		Heartbeat int64          `json:"hb_ms"`
		Expires   int64          `json:"exp_ms"`
		Reconnect reconnectHints `json:"reconnect"`
		Limits    limitHints     `json:"limits"`
		Now       int64          `json:"now"`
	}
	reconnectHints struct {
		Base int64 `json:"base_ms"`
		Max  int64 `json:"max_ms"`
	}
	limitHints struct {
		Subs int `json:"subs"`
		Rows int `json:"rows"`
	}
	liveFrame struct {
		T       string `json:"t"` // live
		SID     int64  `json:"sid"`
		Epoch   string `json:"epoch"`
		Shape   string `json:"shape"`
		Q       int64  `json:"q"`
		Resumed bool   `json:"resumed"`
		Rows    *int   `json:"rows,omitempty"` // of the snapshot; a resumed one has none
	}
	heartbeatFrame struct {
		T           string           `json:"t"` // hb
		Now         int64            `json:"now"`
		Lag         int64            `json:"lag_ms"`
		Q           map[string]int64 `json:"q"`
		Quarantined int              `json:"quarantined"`
	}
	resetFrame struct {
		T     string    `json:"t"` // reset
		SID   int64     `json:"sid"`
		Code  ResetCode `json:"code"`
		Retry int64     `json:"retry_ms"`
	}
	errFrame struct {
		T     string `json:"t"` // err
		SID   *int64 `json:"sid,omitempty"`
		Code  Code   `json:"code"`
		Msg   string `json:"msg"`
		Retry int64  `json:"retry_ms"`
	}
	authFrame struct {
		T      string `json:"t"` // authreq
		Within int64  `json:"within_ms"`
	}
	goawayFrame struct {
		T         string `json:"t"` // goaway
		Code      string `json:"code"`
		Reconnect int64  `json:"reconnect_in_ms"`
	}
)

// ResetCode is why a subscription starts over with a snapshot.
type ResetCode string

// The codes of reset frames.
const (
	ResetSlow    ResetCode = "slow"    // the client did not keep up
	ResetHistory ResetCode = "history" // the changes that are missing are not kept any more
	ResetEpoch   ResetCode = "epoch"   // the read model was rebuilt or restored
	ResetAuthz   ResetCode = "authz"   // the rights are others than when the position was given
	ResetFilter  ResetCode = "filter"  // the filter is another than when the position was given
)

// ResetCodes are all of them.
func ResetCodes() []ResetCode {
	return []ResetCode{ResetSlow, ResetHistory, ResetEpoch, ResetAuthz, ResetFilter}
}

// encodeFrame panics where a frame cannot be JSON, which its type rules out.
func encodeFrame(f any) []byte {
	b, err := json.Marshal(f, json.Deterministic(true))
	if err != nil {
		panic(fmt.Sprintf("fanout: frame %T does not encode: %v", f, err))
	}
	return b
}

// frame is one frame on its way out, in parts that are shared or its own.
type frame struct {
	kind  string
	parts [3][]byte
}

func (f frame) size() int {
	return len(f.parts[0]) + len(f.parts[1]) + len(f.parts[2])
}

func controlFrame(kind string, f any) frame {
	return frame{kind: kind, parts: [3][]byte{encodeFrame(f)}}
}

// deltaFrame is a d frame, or an ev frame of a log: what is its own up to p,
// which is written over head, and a body that may be shared.
func deltaFrame(head []byte, t Topic, sid, p int64, body []byte) frame {
	kind := "d"
	if t.isLog() {
		kind = "ev"
	}
	head = append(append(append(head[:0], `{"t":"`...), kind...), `","sid":`...)
	head = strconv.AppendInt(head, sid, 10)
	head = strconv.AppendInt(append(head, `,"p":`...), p, 10)
	return frame{kind: kind, parts: [3][]byte{append(head, ','), body}}
}

// snapFrame is a page of a snapshot, whose rows are shared.
func snapFrame(sid int64, epoch string, page int, rows []byte, more bool) frame {
	head := make([]byte, 0, 80)
	head = strconv.AppendInt(append(head, `{"t":"snap","sid":`...), sid, 10)
	head = append(append(head, `,"epoch":`...), quote(epoch)...)
	head = strconv.AppendInt(append(head, `,"page":`...), int64(page), 10)
	tail := strconv.AppendBool([]byte(`],"more":`), more)
	return frame{kind: "snap", parts: [3][]byte{append(head, `,"rows":[`...), rows, append(tail, '}')}}
}

func ms(d time.Duration) int64 { return d.Milliseconds() }
