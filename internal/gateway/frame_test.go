package gateway_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/gateway"
)

// wire is a client that writes frames byte by byte.
type wire struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// wire connects, says hello and reads the welcome.
func (s *stack) wire(more ...string) *wire {
	s.t.Helper()
	resp, conn, r := s.knock(s.shake("/v1/live", more...))
	if resp.StatusCode != 101 {
		s.t.Fatalf("status %d", resp.StatusCode)
	}
	w := &wire{t: s.t, conn: conn, r: r}
	w.write(masked(0x81, []byte(`{"t":"hello","v":1,"token":"`+s.token(auth.Principal{})+`"}`)))
	if op, payload := w.frame(); op != 1 || !strings.Contains(string(payload), "welcome") {
		s.t.Fatalf("opcode %d with %q, want a welcome", op, payload)
	}
	return w
}

func (w *wire) write(b []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(b); err != nil {
		w.t.Logf("write: %v", err) // the server may be gone, which is what is tested
	}
}

// frame reads one frame of the server; opcode -1 at the end of the connection.
func (w *wire) frame() (opcode int, payload []byte) {
	w.t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return -1, nil
	}
	n := int(head[1] & 0x7f)
	switch n {
	case 126:
		var ext [2]byte
		if _, err := io.ReadFull(w.r, ext[:]); err != nil {
			return -1, nil
		}
		n = int(binary.BigEndian.Uint16(ext[:]))
	case 127:
		var ext [8]byte
		if _, err := io.ReadFull(w.r, ext[:]); err != nil {
			return -1, nil
		}
		n = int(binary.BigEndian.Uint64(ext[:]))
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(w.r, payload); err != nil {
		return -1, nil
	}
	return int(head[0] & 0x0f), payload
}

// closed reads until the connection ends, and returns the code of the close
// frame; 0 when there was none.
func (w *wire) closed() int {
	w.t.Helper()
	code := 0
	for {
		op, payload := w.frame()
		switch {
		case op == -1:
			return code
		case op == 8 && len(payload) >= 2:
			code = int(binary.BigEndian.Uint16(payload))
		}
	}
}

// masked is a frame as a client sends it. first is FIN, RSV bits and opcode.
func masked(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := []byte{1, 2, 3, 4}
	b = append(b, key...)
	for i, c := range payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func join(frames ...[]byte) []byte {
	var out []byte
	for _, f := range frames {
		out = append(out, f...)
	}
	return out
}

// Rows 94 to 99 of the bad inputs.
func TestABrokenFrameEndsTheConnectionWithItsCode(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	text := func(payload string) []byte { return masked(0x81, []byte(payload)) }
	big := strings.Repeat(" ", 16<<10)
	tests := []struct {
		name  string
		bytes []byte
		want  int
	}{
		{"94 unmasked", []byte{0x81, 0x02, '{', '}'}, 1002},
		{"95 reserved bit 1", masked(0xc1, []byte("{}")), 1002},
		{"95 reserved bits 2 and 3", masked(0xb1, []byte("{}")), 1002},
		{"95 opcode 3", masked(0x83, []byte("{}")), 1002},
		{"95 a continuation of nothing", masked(0x80, []byte("{}")), 1002},
		{"95 a message within a message", join(masked(0x01, []byte("{")), text("{}")), 1002},
		{"95 a fragmented ping", masked(0x09, []byte("x")), 1002},
		{"95 a ping of 126 bytes", masked(0x89, make([]byte, 126)), 1002},
		{"95 a ping of 65,536 bytes", masked(0x89, make([]byte, 1<<16)), 1002},
		{"95 a reserved bit in a ping", masked(0xc9, nil), 1002},
		{"95 opcode 11", masked(0x8b, nil), 1002},
		{"95 an unmasked ping", []byte{0x89, 0}, 1002},
		{"96 a close of one byte", masked(0x88, []byte{3}), 1002},
		{"96 a close with 1005", masked(0x88, []byte{3, 0xed}), 1002},
		{"96 a close with 1006", masked(0x88, []byte{3, 0xee}), 1002},
		{"96 a close with 999", masked(0x88, []byte{3, 0xe7}), 1002},
		{"96 a close with 65535", masked(0x88, []byte{0xff, 0xff}), 1002},
		{"99 binary", masked(0x82, []byte("{}")), 1003},
		{"99 binary in two frames", join(masked(0x02, []byte("{")), masked(0x80, []byte("}"))), 1003},
		{"98 a byte that is no UTF-8", text("{\"t\":\"pong\xff\"}"), 1007},
		{"98 a character that is cut off", text("{\"t\":\"pong\"}\xe2\x82"), 1007},
		{"98 a surrogate", text("{\"t\":\"\xed\xa0\x80\"}"), 1007},
		{"98 a character in too many bytes", text("{\"t\":\"\xc0\xaf\"}"), 1007},
		{"98 a bad byte in the second frame", join(masked(0x01, []byte("{")), masked(0x80, []byte("\xff}"))), 1007},
		{"97 16 KiB and one byte", text(big + " "), 1009},
		{"97 16 KiB and one byte in two frames", join(masked(0x01, []byte(big)), masked(0x80, []byte(" "))), 1009},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := s.wire()
			w.write(tt.bytes)
			if got := w.closed(); got != tt.want {
				t.Errorf("closed with %d, want %d", got, tt.want)
			}
		})
	}
	eventually(t, "the end of all connections", func() bool { return s.hub.Stats().Connections == 0 })
}

func TestAMessageMayBeSixteenKiB(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	c := s.connect(auth.Principal{})
	frame := `{"t":"pong"}`
	c.sendText(frame + strings.Repeat(" ", 16<<10-len(frame)))
	c.sendText(`{"t":"unsub"}`)
	if got := c.frame("err", 1); got.Code != "bad_request" {
		t.Errorf("err %+v, want the one of the frame after the large one", got)
	}
}

// Rows 102 and 103: what is wrong with a command is answered, with the subscription that it named;
// the tenth error is the last.
func TestABadCommandIsAnsweredAndTheTenthEndsIt(t *testing.T) {
	leaf := `{"f":"id","op":"eq","v":"S-1"}`
	tests := []struct {
		row        int
		text, code string
		sid        int64 // -1 for none
	}{
		{102, `{"t":"sub"`, "bad_request", -1},
		{102, ``, "bad_request", -1},
		{102, `null`, "bad_request", -1},
		{102, `{"t":"dance","sid":7}`, "bad_request", 7},
		{102, `{"t":"sub","topic":"orders"}`, "bad_request", -1},
		{102, `{"t":"sub","sid":"7","topic":"orders"}`, "bad_request", -1},
		{102, `{"t":"sub","sid":-1,"topic":"orders"}`, "bad_request", -1},
		{102, `{"t":"sub","sid":2147483648,"topic":"orders"}`, "bad_request", -1},
		{103, `{"t":"sub","sid":7,"topic":"orders","filter":[]}`, "bad_filter", 7},
		{102, `{"t":"sub","sid":7,"topic":"orders","topic":"shipments"}`, "bad_request", -1},
		{103, `{"t":"sub","sid":7,"topic":"orders","tenant":"zeta"}`, "bad_request", 7},
		{103, `{"t":"sub","sid":7,"topic":"orders/*"}`, "unknown_topic", 7},
		{103, `{"t":"sub","sid":7,"topic":"` + strings.Repeat("x", 10_000) + `"}`, "unknown_topic", 7},
		{103, `{"t":"sub","sid":7,"topic":"zeta:orders"}`, "unknown_topic", 7},
		{103, `{"t":"sub","sid":7,"topic":"shipments","filter":{"f":"tenant","op":"eq","v":"zeta"}}`, "bad_filter", 7},
		{103, `{"t":"sub","sid":7,"topic":"shipments","filter":{"f":"id","op":"regex","v":"^S-(.*)*$"}}`, "bad_filter", 7},
		{103, `{"t":"sub","sid":7,"topic":"shipments","filter":{"f":"id","op":"eq","v":"` + strings.Repeat("x", 10<<10) + `"}}`, "bad_filter", 7},
		{103, `{"t":"sub","sid":7,"topic":"shipments","filter":{"or":[` + leaf + strings.Repeat(","+leaf, 16) + `]}}`, "bad_filter", 7},
		{103, `{"t":"sub","sid":7,"topic":"shipments","filter":` + strings.Repeat(`{"not":`, 1500) + leaf + strings.Repeat("}", 1500) + `}`, "bad_filter", 7},
		{102, `{"t":"unsub"}`, "bad_request", -1},
		{102, `{"t":"auth","token":"eyJ"}`, "unauthenticated", -1},
		{102, `{"t":"hello","v":1,"token":"x"}`, "bad_request", -1},
	}
	s := start(t, hubConfig(), gateway.Config{Errors: len(tests) + 1, Commands: 100})
	c := s.connect(auth.Principal{})
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d %.40s", tt.row, tt.text), func(t *testing.T) {
			c.sendText(tt.text)
			f := c.frame("err", i+1)
			sid := int64(-1)
			if f.SID != nil {
				sid = *f.SID
			}
			if f.Code != tt.code || sid != tt.sid || len(f.Msg) > 200 {
				t.Errorf("answered with %s, sid %d, %.300q; want %s, sid %d", f.Code, sid, f.Msg, tt.code, tt.sid)
			}
		})
	}
	c.sendText(`{"t":"one more"}`)
	if got := c.closed(); got != 4500 {
		t.Errorf("closed with %d, want 4500", got)
	}
	if got := len(c.book.Frames("err")); got != len(tests)+1 {
		t.Errorf("%d errors arrived, want %d: the last one too", got, len(tests)+1)
	}
	for _, v := range c.book.Violations() {
		t.Error(v)
	}
}

func TestTooManyCommandsAreRefusedBeforeTheyEndIt(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	c := s.connect(auth.Principal{})
	for i := range 50 {
		c.sendText(fmt.Sprintf(`{"t":"unsub","sid":%d}`, i))
	}
	f := c.frame("err", 1)
	if f.Code != "rate_limited" || f.Retry < 1 {
		t.Errorf("err %+v, want rate_limited with a time to wait", f)
	}
	time.Sleep(50 * time.Millisecond)
	if got := len(c.book.Frames("err")); got > 2 {
		t.Errorf("%d answers to a flood, want one a second", got)
	}
	if err := c.ws.Ping(t.Context()); err != nil {
		t.Errorf("the connection is over: %v", err)
	}
}

func TestAClientTakesANewToken(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	c := s.connect(auth.Principal{})
	c.send(m{"t": "auth", "token": s.token(auth.Principal{})})
	c.sendText(`{"t":"unsub"}`)
	if got := c.frame("err", 1); got.Code != "bad_request" {
		t.Errorf("err %+v, want that of the frame after the token alone", got)
	}
	c.send(m{"t": "auth", "token": s.token(auth.Principal{Tenant: "zeta"})})
	if got := c.closed(); got != 4007 {
		t.Errorf("a token of another tenant: closed with %d, want 4007", got)
	}
}

func TestAGoodbyeOfTheClientLeavesNothing(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	c := s.connect(auth.Principal{})
	c.frame("welcome", 1)
	if err := c.ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
	eventually(t, "the end", func() bool { return s.hub.Stats().Connections == 0 })
}
