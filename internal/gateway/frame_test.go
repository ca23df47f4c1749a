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
func (s *stack) wire() *wire {
	s.t.Helper()
	resp, conn, r := s.knock(s.shake("/v1/live"))
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

func TestABrokenFrameEndsTheConnectionWithItsCode(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	text := func(payload string) []byte { return masked(0x81, []byte(payload)) }
	big := strings.Repeat(" ", 16<<10)
	tests := []struct {
		name  string
		bytes []byte
		want  int
	}{
		{"unmasked", []byte{0x81, 0x02, '{', '}'}, 1002},
		{"reserved bit 1", masked(0xc1, []byte("{}")), 1002},
		{"reserved bits 2 and 3", masked(0xb1, []byte("{}")), 1002},
		{"opcode 3", masked(0x83, []byte("{}")), 1002},
		{"a continuation of nothing", masked(0x80, []byte("{}")), 1002},
		{"a message within a message", join(masked(0x01, []byte("{")), text("{}")), 1002},
		{"a fragmented ping", masked(0x09, []byte("x")), 1002},
		{"a ping of 126 bytes", masked(0x89, make([]byte, 126)), 1002},
		{"a close of one byte", masked(0x88, []byte{3}), 1002},
		{"a close with a code that is not to be sent", masked(0x88, []byte{3, 0xed}), 1002},
		{"binary", masked(0x82, []byte("{}")), 1003},
		{"text that is not UTF-8", text("{\"t\":\"pong\xff\"}"), 1007},
		{"16 KiB and one byte", text(big + " "), 1009},
		{"16 KiB and one byte in two frames", join(masked(0x01, []byte(big)), masked(0x80, []byte(" "))), 1009},
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

func TestHalfAMessageIsNotWaitedForForever(t *testing.T) {
	s := start(t, hubConfig(), gateway.Config{MessageTimeout: 200 * time.Millisecond})
	w := s.wire()
	began := time.Now()
	w.write(masked(0x81, []byte(`{"t":"pong"}`))[:9])
	w.closed()
	if took := time.Since(began); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("closed after %v, want about 200 ms", took)
	}
}

func TestAFloodIsEnded(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	tests := []struct {
		name  string
		frame []byte
	}{
		{"pings", masked(0x89, nil)},
		{"pongs", masked(0x8a, []byte("x"))},
		{"commands", masked(0x81, []byte(`{"t":"pong"}`))},
		{"commands in one message", masked(0x81, []byte(strings.TrimSuffix(strings.Repeat("{\"t\":\"pong\"}\n", 200), "\n")))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := s.wire()
			go func() {
				for range 1000 {
					if _, err := w.conn.Write(tt.frame); err != nil {
						return
					}
				}
			}()
			if got := w.closed(); got != 4006 {
				t.Errorf("closed with %d, want 4006", got)
			}
		})
	}
}

// What is wrong with a command is answered, with the subscription that it named;
// the tenth error is the last.
func TestABadCommandIsAnsweredAndTheTenthEndsIt(t *testing.T) {
	tests := []struct {
		text, code string
		sid        int64 // -1 for none
	}{
		{`{"t":"sub"`, "bad_request", -1},
		{``, "bad_request", -1},
		{`null`, "bad_request", -1},
		{`{"t":"dance","sid":7}`, "bad_request", 7},
		{`{"t":"sub","topic":"orders"}`, "bad_request", -1},
		{`{"t":"sub","sid":"7","topic":"orders"}`, "bad_request", -1},
		{`{"t":"sub","sid":-1,"topic":"orders"}`, "bad_request", -1},
		{`{"t":"sub","sid":2147483648,"topic":"orders"}`, "bad_request", -1},
		{`{"t":"sub","sid":7,"topic":"orders","filter":[]}`, "bad_filter", 7},
		{`{"t":"sub","sid":7,"topic":"orders","topic":"shipments"}`, "bad_request", -1},
		{`{"t":"sub","sid":7,"topic":"orders","tenant":"zeta"}`, "bad_request", 7},
		{`{"t":"sub","sid":7,"topic":"orders/*"}`, "unknown_topic", 7},
		{`{"t":"sub","sid":7,"topic":"` + strings.Repeat("x", 10_000) + `"}`, "unknown_topic", 7},
		{`{"t":"unsub"}`, "bad_request", -1},
		{`{"t":"auth","token":"eyJ"}`, "unauthenticated", -1},
		{`{"t":"hello","v":1,"token":"x"}`, "bad_request", -1},
	}
	s := start(t, hubConfig(), gateway.Config{Errors: len(tests) + 1, Commands: 100})
	c := s.connect(auth.Principal{})
	for i, tt := range tests {
		c.sendText(tt.text)
		f := c.frame("err", i+1)
		sid := int64(-1)
		if f.SID != nil {
			sid = *f.SID
		}
		if f.Code != tt.code || sid != tt.sid || len(f.Msg) > 200 {
			t.Errorf("%.60s is answered with %s, sid %d, %.300q; want %s, sid %d", tt.text, f.Code, sid, f.Msg, tt.code, tt.sid)
		}
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
