package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/gateway"
)

// pair is the two ends of a TCP connection with small buffers.
func pair(t *testing.T) (ours *net.TCPConn, theirs *wire) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		out.Close()
	})
	ours, ok := in.(*net.TCPConn)
	far, farOK := out.(*net.TCPConn)
	if !ok || !farOK || ours.SetWriteBuffer(16<<10) != nil || far.SetReadBuffer(16<<10) != nil {
		t.Fatal("buffers cannot be made small")
	}
	return ours, newWire(t, out)
}

// newWire reads frames from a connection, for 10 seconds.
func newWire(t *testing.T, conn net.Conn) *wire {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// shake asks for a socket, sends more right behind the request, and reads the
// answer.
func (w *wire) shake(host string, more []byte) {
	w.t.Helper()
	w.write(append([]byte("GET /v1/live HTTP/1.1\r\nHost: "+host+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: track.v1.json\r\n\r\n"), more...))
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		w.t.Fatalf("answer %v, error %v", resp, err)
	}
}

// text is n bytes that tell where in a message they stand.
func text(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = fmt.Appendf(b, "%07d,", len(b))
	}
	return b[:n]
}

func TestAMessageIsOneFrameOfItsLength(t *testing.T) {
	ours, theirs := pair(t)
	socket := gateway.NewBelow(ours).Socket()
	for _, n := range []int{0, 1, 125, 126, 4090, 65_535, 65_536, 200_000} {
		whole := text(n)
		done := make(chan error, 1)
		go func() {
			done <- socket.Write(context.Background(), [][]byte{whole[:n/3], nil, whole[n/3:]})
		}()
		op, payload := theirs.frame()
		if err := <-done; err != nil || op != 1 || !bytes.Equal(payload, whole) {
			t.Errorf("%d bytes: opcode %d with %d bytes, error %v; want a text frame of them", n, op, len(payload), err)
		}
	}
}

// A delivery is written from memory that all connections share.
func TestADeliveryTakesNoMemory(t *testing.T) {
	ours, theirs := pair(t)
	socket := gateway.NewBelow(ours).Socket()
	go func() { _, _ = io.Copy(io.Discard, theirs.conn) }()
	parts := [][]byte{[]byte(`{"t":"d","sid":1,"p":41,`), text(380)}
	for name, send := range map[string]func(){
		"Write": func() {
			if err := socket.Write(context.Background(), parts); err != nil {
				t.Errorf("Write: %v", err)
			}
		},
		"Try": func() {
			done, err := socket.Try(parts)
			if !done && err == nil {
				err = socket.Finish()
			}
			if err != nil {
				t.Errorf("Try: %v", err)
			}
		},
	} {
		if got := testing.AllocsPerRun(2000, send); got != 0 {
			t.Errorf("%s allocates %v times, want 0", name, got)
		}
	}
}

// fill tries messages until the socket takes no more, and returns how many it
// took before that one.
func fill(t *testing.T, try func() (bool, error)) int {
	t.Helper()
	for n := range 10_000 {
		done, err := try()
		if err != nil {
			t.Fatalf("Try: %v", err)
		}
		if !done {
			return n
		}
	}
	t.Fatal("a client that does not read takes everything")
	return 0
}

func TestWhatASocketDoesNotTakeAtOnceIsFinishedBeforeAnythingElse(t *testing.T) {
	ours, theirs := pair(t)
	below := gateway.NewBelow(ours)
	socket, message := below.Socket(), text(3000)
	taken := fill(t, func() (bool, error) { return socket.Try([][]byte{message}) })

	pong := make(chan error, 1)
	go func() { pong <- below.Control([]byte{0x8a, 2, 'h', 'i'}) }()
	select {
	case err := <-pong:
		t.Fatalf("a pong was written within a message (error %v)", err)
	case <-time.After(50 * time.Millisecond):
	}
	finished := make(chan error, 1)
	go func() { finished <- socket.Finish() }()
	for i := range taken + 1 {
		if op, payload := theirs.frame(); op != 1 || !bytes.Equal(payload, message) {
			t.Fatalf("frame %d of %d: opcode %d with %d bytes, want the message", i, taken+1, op, len(payload))
		}
	}
	if err := errors.Join(<-finished, <-pong); err != nil {
		t.Errorf("Finish and pong: %v", err)
	}
	if op, payload := theirs.frame(); op != 10 || string(payload) != "hi" {
		t.Errorf("opcode %d with %q behind them, want the pong", op, payload)
	}
	if done, err := socket.Try([][]byte{message}); !done || err != nil {
		t.Errorf("Try afterwards: %v, %v, want true", done, err)
	}
}

// While the library waits to write, nobody waits for it who must not.
func TestTryDoesNotWaitForAControlFrame(t *testing.T) {
	ours, theirs := pair(t)
	below := gateway.NewBelow(ours)
	stuck := make(chan error, 1)
	go func() {
		var err error
		for err == nil { // a client that pings and does not read
			err = below.Control(append([]byte{0x8a, 125}, text(125)...))
		}
		stuck <- err
	}()
	socket := below.Socket()
	message := text(3000)
	fill(t, func() (bool, error) { return socket.Try([][]byte{message}) })
	theirs.conn.Close()
	if err := socket.Finish(); err == nil {
		t.Error("Finish reports no error though the client is gone")
	}
	<-stuck
}

func TestNothingComesBehindACloseFrameOrABrokenOne(t *testing.T) {
	message := [][]byte{text(3000)}
	t.Run("close", func(t *testing.T) {
		ours, theirs := pair(t)
		below := gateway.NewBelow(ours)
		if err := below.Control([]byte{0x88, 2, 0x03, 0xe8}); err != nil {
			t.Fatal(err)
		}
		socket := below.Socket()
		if err := socket.Write(context.Background(), message); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v, want %v", err, net.ErrClosed)
		}
		if done, err := socket.Try(message); !done || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Try: %v, %v, want true and %v", done, err, net.ErrClosed)
		}
		ours.Close()
		if op, _ := theirs.frame(); op != 8 {
			t.Errorf("opcode %d, want the close", op)
		}
		if op, _ := theirs.frame(); op != -1 {
			t.Errorf("opcode %d behind the close", op)
		}
	})
	t.Run("broken", func(t *testing.T) {
		ours, theirs := pair(t)
		below := gateway.NewBelow(ours)
		socket := below.Socket()
		fill(t, func() (bool, error) { return socket.Try(message) })
		if err := ours.SetWriteDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := socket.Finish(); err == nil {
			t.Fatal("Finish reports no error though nothing was written")
		}
		_ = ours.SetWriteDeadline(time.Time{}) // the lane has closed it
		if err := below.Control([]byte{0x8a, 0}); err == nil {
			t.Error("a pong was written behind half a frame")
		}
		whole := 0
		for op, _ := theirs.frame(); op != -1; op, _ = theirs.frame() {
			whole++
		}
		if done, err := socket.Try(message); !done || err == nil {
			t.Errorf("Try: %v, %v, want an error", done, err)
		}
		if whole == 0 {
			t.Error("nothing arrived at all")
		}
	})
}

// Pings are answered between the pages of a large snapshot, never within one.
func TestControlFramesStandBetweenMessages(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	for i := range 300 {
		r := shipment(fmt.Sprint("S-", i), 1, "in_transit")
		r.LastLocation = strings.Repeat("x", 3000)
		s.model.Put(acme, r)
	}
	w := s.wire()
	w.write(masked(0x81, []byte(`{"t":"sub","sid":1,"topic":"shipments"}`)))
	const pings = 15
	for i := range pings {
		w.write(masked(0x89, fmt.Append(nil, "ping ", i)))
		time.Sleep(time.Millisecond)
	}
	rows, pongs := 0, 0
	for live := false; !live || pongs < pings; {
		op, payload := w.frame()
		switch {
		case op == 1:
			rows += strings.Count(string(payload), `"id":"S-`)
			live = live || strings.Contains(string(payload), `{"t":"live"`)
			if !strings.HasPrefix(string(payload), "{") || !strings.HasSuffix(string(payload), "}") {
				t.Fatalf("a message that is none: %.40q … %q", payload, payload[max(0, len(payload)-40):])
			}
		case op == 10 && string(payload) == fmt.Sprint("ping ", pongs):
			pongs++
		default:
			t.Fatalf("opcode %d with %.80q", op, payload)
		}
	}
	if rows != 300 {
		t.Errorf("%d rows, want 300", rows)
	}
}

// What a client sends together with the handshake is not lost.
func TestAHelloMayComeWithTheHandshake(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	conn, err := net.Dial("tcp", s.host())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := newWire(t, conn)
	w.shake(s.host(), masked(0x81, []byte(`{"t":"hello","v":1,"token":"`+s.token(auth.Principal{})+`"}`+strings.Repeat(" ", 1500))))
	if op, payload := w.frame(); op != 1 || !strings.Contains(string(payload), "welcome") {
		t.Errorf("opcode %d with %q, want a welcome", op, payload)
	}
}

// Below TLS there is no write that does not wait; everything else is the same.
func TestASocketWorksThroughTLS(t *testing.T) {
	s := start(t, hubConfig(), gatewayConfig())
	server := httptest.NewTLSServer(s.gateway)
	defer server.Close()
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := newWire(t, conn)
	w.shake("x", nil)
	w.write(masked(0x81, []byte(`{"t":"hello","v":1,"token":"`+s.token(auth.Principal{})+`","subs":[{"sid":1,"topic":"shipments"}]}`)))
	var got strings.Builder
	for !strings.Contains(got.String(), `"live"`) {
		op, payload := w.frame()
		if op != 1 {
			t.Fatalf("opcode %d behind %q", op, got.String())
		}
		got.Write(payload)
	}
	s.model.Put(acme, shipment("S-1", 1, "in_transit"))
	if op, payload := w.frame(); op != 1 || !strings.Contains(string(payload), `"id":"S-1"`) {
		t.Errorf("opcode %d with %q, want the delta", op, payload)
	}
}
