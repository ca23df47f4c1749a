package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// wire is a WebSocket client that costs little: the generator shares the cores
// with what it measures.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

// The opcodes of frames.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// readBuffer is a client's; what is larger is read by itself.
const readBuffer = 4 << 10

// dialWire opens a socket from one of the loopback addresses: a single one has
// ports for 28,000 connections to a server, those that have just ended included.
func dialWire(url string, nth int) (*wire, error) {
	host := strings.TrimPrefix(url, "http://")
	d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(2+nth%8))}}
	conn, err := d.Dial("tcp", host)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	w := &wire{conn: conn, r: bufio.NewReaderSize(conn, readBuffer)}
	if err := w.shake(host); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	return w, nil
}

func (w *wire) shake(host string) error {
	key := base64.StdEncoding.EncodeToString([]byte(rand.Text()[:16]))
	_, err := fmt.Fprintf(w.conn, "GET /v1/live HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", host, key, subprotocol)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

// send writes a masked frame; the mask is zero, which leaves the payload as it is.
func (w *wire) send(op byte, payload []byte) error {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		return errors.New("message is too large")
	}
	b = append(append(b, 0, 0, 0, 0), payload...)
	_, err := w.conn.Write(b)
	return err
}

// next reads a frame; the payload is good until the next call.
func (w *wire) next() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("frame begins with %x: not whole, or masked", head)
	}
	n := uint64(head[1])
	switch n {
	case 126:
		n, err = w.number(2)
	case 127:
		n, err = w.number(8)
	}
	if err != nil {
		return 0, nil, err
	}
	payload, err = w.take(int(n))
	return head[0] & 0x0f, payload, err
}

func (w *wire) number(bytes int) (uint64, error) {
	var b [8]byte
	_, err := io.ReadFull(w.r, b[8-bytes:])
	return binary.BigEndian.Uint64(b[:]), err
}

func (w *wire) take(n int) ([]byte, error) {
	if n <= readBuffer {
		b, err := w.r.Peek(n)
		if err != nil {
			return nil, err
		}
		_, err = w.r.Discard(n) // b stays as it is until the next read
		return b, err
	}
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	w.buf = w.buf[:n]
	_, err := io.ReadFull(w.r, w.buf)
	return w.buf, err
}
