package main

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/waybill-io/waybill/events/watch"
)

// redraw is how often the table is drawn, if it is another than before.
const redraw = 100 * time.Millisecond

// size is how large a terminal is now; ok is false for what is none.
type size func() (wide, high int, ok bool)

// screen draws a board on a terminal, in a goroutine of its own.
type screen struct {
	out   io.Writer
	size  size
	color bool
	done  chan struct{}
	once  sync.Once // of closing done
	work  sync.WaitGroup

	mu    sync.Mutex
	board *board
	drawn string
	err   error
}

// newScreen begins to draw. When ctx ends the terminal is left as it was, before
// anything else is wound up: whoever interrupts twice kills the command.
func newScreen(ctx context.Context, out io.Writer, b *board, size size, color bool) *screen {
	s := &screen{out: out, size: size, color: color, done: make(chan struct{}), board: b}
	b.view.Since = time.Now()
	s.write(enter)
	s.work.Go(s.run)
	context.AfterFunc(ctx, s.end)
	return s
}

// Show takes a view over; it is drawn soon.
func (s *screen) Show(v watch.View) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.board.take(v, time.Now())
	return s.err
}

// Close leaves the terminal as it was.
func (s *screen) Close() error {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// end goes back to the page before and says there what was shown last.
func (s *screen) end() {
	s.once.Do(func() {
		close(s.done)
		s.work.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.board.view.Retry = time.Time{} // there is none
		s.write(leave + string(s.board.topic) + ": " + s.board.status(time.Now()) + "\r\n")
	})
}

func (s *screen) run() {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for {
		s.draw()
		select {
		case <-ticker.C:
		case <-s.done:
			return
		}
	}
}

func (s *screen) draw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	wide, high, ok := s.size()
	if !ok {
		return
	}
	if page := render(s.board, time.Now(), wide, high, s.color); page != s.drawn {
		s.write(page)
		s.drawn = page
	}
}

// write keeps the first error. The lock is held, or nobody else is there.
func (s *screen) write(text string) {
	if _, err := io.WriteString(s.out, text); err != nil && s.err == nil {
		s.err = err
	}
}
