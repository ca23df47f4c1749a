package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// MaxLine is how many bytes a line of a file may have.
const MaxLine = 256 << 10

// lines reads text line by line.
type lines struct {
	r *bufio.Reader
	n int // of the line that was read last
}

func newLines(r io.Reader) *lines {
	return &lines{r: bufio.NewReaderSize(r, MaxLine+2)}
}

// next returns the next line that is not blank, without its end, valid until the
// next call. A line that is no text, or too long, comes with the reason why.
func (l *lines) next() (line []byte, bad string, err error) {
	for {
		line, bad, err = l.read()
		if err != nil || bad != "" || len(bytes.TrimSpace(line)) > 0 {
			return line, bad, err
		}
	}
}

func (l *lines) read() (line []byte, bad string, err error) {
	line, err = l.r.ReadSlice('\n')
	l.n++
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, tooLong, l.discard()
	case errors.Is(err, io.EOF) && len(line) > 0:
	case err != nil:
		return nil, "", err
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
	if l.n == 1 {
		line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	}
	return line, unfit(line), nil
}

var tooLong = fmt.Sprintf("line > %d KiB", MaxLine>>10)

// unfit says why a line is no text, or "".
func unfit(line []byte) string {
	switch {
	case len(line) > MaxLine:
		return tooLong
	case !utf8.Valid(line):
		return "invalid UTF-8"
	case bytes.IndexByte(line, 0) >= 0:
		return "holds a NUL character; is the file UTF-16?"
	default:
		return ""
	}
}

// discard reads on to the end of the line.
func (l *lines) discard() error {
	for {
		_, err := l.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}
