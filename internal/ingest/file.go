package ingest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// File is something to read: a file, a pipe, or "-" for the standard input. A
// name that ends in .gz is compressed.
type File struct {
	Name string
	// Stdin is read for the name "-". Defaults to os.Stdin.
	Stdin io.Reader

	path  string // what is opened; the spool of a pipe
	size  int64  // what is read of it at most; -1 for a pipe
	spool string // to be removed
}

// FileError says that a file cannot be read at all.
type FileError struct {
	Name string
	Err  error
}

// Error names the file.
func (e *FileError) Error() string { return printable(e.Name) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

func (f *File) stdin() bool { return f.Name == "-" }

func (f *File) fail(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err // the name stands before it already
	}
	return &FileError{f.Name, err}
}

// errDirectory is what a directory is refused with.
var errDirectory = fmt.Errorf("is a directory: %w", fs.ErrInvalid)

// stat looks at the file without reading it. What is appended from now on is
// left alone.
func (f *File) stat() error {
	f.path, f.size = f.Name, -1
	if f.stdin() {
		return nil
	}
	info, err := os.Stat(f.Name)
	if err != nil {
		return f.fail(err)
	}
	if info.IsDir() {
		return f.fail(errDirectory)
	}
	if info.Mode().IsRegular() {
		f.size = info.Size()
		file, err := os.Open(f.Name)
		if err != nil {
			return f.fail(err)
		}
		return file.Close()
	}
	return nil
}

// keep copies a pipe to a temporary file, so that it can be read twice.
func (f *File) keep() error {
	if f.size >= 0 {
		return nil
	}
	from, err := f.raw()
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	spool, err := os.CreateTemp("", "waybill-spool-*")
	if err != nil {
		return fmt.Errorf("keep %s: %w", printable(f.Name), err)
	}
	f.spool = spool.Name()
	n, err := io.Copy(spool, from)
	if err = errors.Join(err, spool.Close()); err != nil {
		return fmt.Errorf("keep %s: %w", printable(f.Name), err)
	}
	f.path, f.size = f.spool, n
	return nil
}

// forget removes what keep made.
func (f *File) forget() error {
	if f.spool == "" {
		return nil
	}
	return os.Remove(f.spool)
}

// raw opens the file as it is.
func (f *File) raw() (io.ReadCloser, error) {
	if f.stdin() && f.spool == "" {
		if f.Stdin != nil {
			return io.NopCloser(f.Stdin), nil
		}
		return io.NopCloser(os.Stdin), nil
	}
	if f.size < 0 {
		return f.pipe()
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, f.fail(err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(file, f.size), file}, nil
}

// patience is how long a named pipe may have no writer.
const patience = 5 * time.Second

var errNoWriter = errors.New("is a pipe that nobody writes to")

// pipe opens a named pipe, which blocks until it has a writer.
func (f *File) pipe() (io.ReadCloser, error) {
	type opened struct {
		file *os.File
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		file, err := os.Open(f.path)
		done <- opened{file, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, f.fail(o.err)
		}
		return o.file, nil
	case <-timer.C:
	}
	// A writer that leaves at once lets the waiting open return.
	if w, err := os.OpenFile(f.path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		err = w.Close()
		o := <-done
		if o.err == nil {
			err = errors.Join(err, o.file.Close())
		}
		return nil, f.fail(errors.Join(errNoWriter, err))
	}
	return nil, f.fail(errNoWriter)
}

// open opens the file and uncompresses it.
func (f *File) open() (io.ReadCloser, error) {
	file, err := f.raw()
	if err != nil || !strings.HasSuffix(f.Name, ".gz") {
		return file, err
	}
	packed := &counter{r: file}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		if errors.Is(err, io.EOF) { // an empty file
			err = gzip.ErrHeader
		}
		err = errors.Join(encoding(err), file.Close())
		if broken, ok := errors.AsType[*encodingError](err); ok {
			return nil, &DataError{Problem: Problem{File: f.Name, Reason: broken.Error()}}
		}
		return nil, f.fail(err)
	}
	return struct {
		io.Reader
		io.Closer
	}{&gunzip{packed: packed, r: unpacked}, file}, nil
}

// changed says how the file is another one than when it was looked at, or "".
func (f *File) changed() string {
	if f.stdin() || f.spool != "" || f.size < 0 {
		return ""
	}
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		return "it is gone"
	case info.Size() > f.size:
		return fmt.Sprintf("it grew; what is behind its first %d bytes was not read", f.size)
	case info.Size() < f.size:
		return "it shrank; what was cut off was not read"
	default:
		return ""
	}
}

// encodingError says that a compressed file is broken.
type encodingError struct{ reason string }

func (e *encodingError) Error() string { return e.reason }

// encoding tells broken content from an error of reading it.
func encoding(err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return err
	case errors.Is(err, gzip.ErrHeader):
		return &encodingError{"is not compressed with gzip, as its name says"}
	case errors.Is(err, gzip.ErrChecksum):
		return &encodingError{"the checksum of its gzip data is wrong"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &encodingError{"its gzip data is cut off"}
	}
	if strings.HasPrefix(err.Error(), "flate: ") {
		return &encodingError{"its gzip data is broken"}
	}
	return err
}

// What a compressed file may grow to.
const (
	freely   = 4 << 20 // bytes, whatever the ratio
	maxRatio = 100
)

// gunzip uncompresses, but not a bomb.
type gunzip struct {
	packed *counter
	r      io.Reader
	n      int64
}

// Read refuses data that has grown to more than maxRatio times its size.
func (g *gunzip) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	g.n += int64(n)
	if g.n > freely && g.n > maxRatio*g.packed.n {
		return n, &encodingError{fmt.Sprintf("uncompresses to more than %d times its size", maxRatio)}
	}
	return n, encoding(err)
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
