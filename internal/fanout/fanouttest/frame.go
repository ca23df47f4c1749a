package fanouttest

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Frame is any frame of the server.
type Frame struct {
	T           string           `json:"t"`
	SID         *int64           `json:"sid"`
	Epoch       string           `json:"epoch"`
	Page        int              `json:"page"`
	Rows        jsontext.Value   `json:"rows"`
	More        bool             `json:"more"`
	Shape       string           `json:"shape"`
	P           int64            `json:"p"`
	Q           jsontext.Value   `json:"q"`
	Resumed     bool             `json:"resumed"`
	TS          int64            `json:"ts"`
	U           []jsontext.Value `json:"u"`
	E           []jsontext.Value `json:"e"`
	R           []Key            `json:"r"`
	N           int              `json:"n"`
	Code        string           `json:"code"`
	Msg         string           `json:"msg"`
	Retry       int64            `json:"retry_ms"`
	Lag         int64            `json:"lag_ms"`
	Conn        string           `json:"conn"`
	Heartbeat   int64            `json:"hb_ms"`
	Expires     int64            `json:"exp_ms"`
	Within      int64            `json:"within_ms"`
	Reconnect   jsontext.Value   `json:"reconnect"`
	ReconnectIn int64            `json:"reconnect_in_ms"`
	Limits      jsontext.Value   `json:"limits"`
	Now         int64            `json:"now"`
	Quarantined int              `json:"quarantined"`
}

// seq is the position that the frame leads to.
func (f Frame) seq() (q int64, err error) {
	if err = json.Unmarshal(f.Q, &q); err != nil {
		err = fmt.Errorf("%s: q %s: %w", f.T, f.Q, err)
	}
	return q, err
}

// Key is what a row or an entry is known by in a View: a row's id, or the JSON
// of an entry's identity, ["shipment","S-1","erp","e-7"].
type Key string

// EntryKey is the key of the entry with this identity.
func EntryKey(stream, streamID, source, id string) string {
	text, err := json.Marshal([]string{stream, streamID, source, id})
	if err != nil { // only invalid UTF-8, which is no identity
		return ""
	}
	return string(text)
}

// UnmarshalJSON reads what stands in r: an id, or an identity.
func (k *Key) UnmarshalJSON(text []byte) error {
	var id string
	if err := json.Unmarshal(text, &id); err == nil {
		*k = Key(id)
		return nil
	}
	var of []string
	if err := json.Unmarshal(text, &of); err != nil || len(of) != 4 {
		return fmt.Errorf("%s is neither an id nor an identity", text)
	}
	*k = Key(EntryKey(of[0], of[1], of[2], of[3]))
	return nil
}

// known is what rows and entries are known by, and what orders them.
type known struct {
	ID       string `json:"id"`
	Revision int64  `json:"v"`
	Stream   string `json:"stream"`
	StreamID string `json:"stream_id"`
	Source   string `json:"source"`
	Topic    string `json:"topic"` // of a count
}

func readKnown(text jsontext.Value) (known, error) {
	var k known
	if err := json.Unmarshal(text, &k); err != nil {
		return known{}, fmt.Errorf("row %s: %w", text, err)
	}
	if k.ID == "" {
		return known{}, fmt.Errorf("row %s has no id", text)
	}
	return k, nil
}

func (k known) key() string {
	if k.Stream == "" {
		return k.ID
	}
	return EntryKey(k.Stream, k.StreamID, k.Source, k.ID)
}

// foreign names the entity when its id has not the prefix of its tenant's; a
// count is of none.
func (k known) foreign(prefix string) (id string, is bool) {
	if id = k.ID; k.Stream != "" {
		id = k.StreamID
	}
	return id, k.Topic == "" && !strings.HasPrefix(id, prefix)
}
