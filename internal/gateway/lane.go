package gateway

import (
	"encoding/binary"
	"net"
	"sync"
)

// lane is the connection below a WebSocket. The library reads from it and writes
// its control frames to it; data frames are written here, from parts that many
// connections share, without memory of their own. Frames take turns, whole.
type lane struct {
	net.Conn
	early []byte // came with the handshake and was not read yet; of the reading goroutine
	room  *room
	dart  *dart // nil where there is no write that does not wait

	mu    sync.Mutex
	ended error // why nothing is written any more

	// The data frame that is being written. It belongs to whoever writes data,
	// which is one at a time.
	frame *[]byte
	sent  int  // of frame
	held  bool // mu is, for this frame
}

func newLane(conn net.Conn, early []byte, r *room) *lane {
	return &lane{Conn: conn, early: early, room: r, dart: newDart(conn)}
}

// Read implements [net.Conn].
func (l *lane) Read(b []byte) (int, error) {
	if len(l.early) > 0 {
		n := copy(b, l.early)
		if l.early = l.early[n:]; len(l.early) == 0 {
			l.early = nil
		}
		return n, nil
	}
	return l.Conn.Read(b)
}

// Write implements [net.Conn] for the library. Each call is one control frame,
// because its buffer of writeBuffer bytes holds the largest there is.
func (l *lane) Write(frame []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return 0, l.ended
	}
	if err := l.put(frame); err != nil {
		return 0, err
	}
	if len(frame) > 0 && frame[0]&0x0f == opClose {
		l.ended = net.ErrClosed // behind a close frame there is nothing
	}
	return len(frame), nil
}

// text writes a text message, which is parts joined, in one frame.
func (l *lane) text(parts [][]byte) error {
	l.frame, l.sent = l.room.frame(parts), 0
	return l.finish()
}

// try writes of a text message what goes without waiting. When that is not all,
// nobody else writes until the frame was finished.
func (l *lane) try(parts [][]byte) (done bool, err error) {
	l.frame, l.sent = l.room.frame(parts), 0
	if l.held = l.dart != nil && l.mu.TryLock(); !l.held {
		return false, nil
	}
	if err = l.ended; err == nil {
		l.sent, err = l.dart.write(*l.frame)
		l.failed(err)
	}
	if err == nil && l.sent < len(*l.frame) {
		return false, nil
	}
	l.release()
	return true, err
}

// finish writes the rest of the frame.
func (l *lane) finish() error {
	if !l.held {
		l.mu.Lock()
		l.held = true
	}
	defer l.release()
	if l.ended != nil {
		return l.ended
	}
	return l.put((*l.frame)[l.sent:])
}

// release ends the frame.
func (l *lane) release() {
	l.room.back(l.frame)
	l.frame, l.held = nil, false
	l.mu.Unlock()
}

// put writes a frame, or the rest of one. The lock is held.
func (l *lane) put(b []byte) error {
	_, err := l.Conn.Write(b)
	l.failed(err)
	return err
}

// failed ends the connection when a write has failed: part of a frame may be
// gone, so that nothing can come behind it. The lock is held.
func (l *lane) failed(err error) {
	if err != nil {
		l.ended = err
		_ = l.Conn.Close()
	}
}

const (
	opText  = 0x1
	opClose = 0x8
	final   = 0x80

	mostHead   = 10       // bytes of the largest header of a frame
	roomFirst  = 4 << 10  // bytes of a buffer for frames in the beginning
	keepBuffer = 64 << 10 // a larger one is not kept
)

// room has the memory in which frames are put together, for all connections: as
// many buffers as frames are being written at the same time.
type room struct{ pool sync.Pool }

func newRoom() *room {
	return &room{pool: sync.Pool{New: func() any {
		b := make([]byte, 0, roomFirst)
		return &b
	}}}
}

// frame puts a text message together. Whoever gets it gives it back.
func (r *room) frame(parts [][]byte) *[]byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	f, ok := r.pool.Get().(*[]byte)
	if !ok || cap(*f) < size+mostHead {
		b := make([]byte, 0, size+mostHead)
		f = &b
	}
	*f = appendHead((*f)[:0], size)
	for _, p := range parts {
		*f = append(*f, p...)
	}
	return f
}

func (r *room) back(f *[]byte) {
	if cap(*f) <= keepBuffer {
		r.pool.Put(f)
	}
}

// appendHead appends the header of a text message in one frame of a server.
func appendHead(b []byte, size int) []byte {
	b = append(b, final|opText)
	switch {
	case size < 126:
		return append(b, byte(size))
	case size < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(size))
	}
	return binary.BigEndian.AppendUint64(append(b, 127), uint64(size))
}
