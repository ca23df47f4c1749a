//go:build unix

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sizeOf asks the terminal behind a writer.
func sizeOf(w io.Writer) size {
	return func() (int, int, bool) {
		f, ok := w.(*os.File)
		if !ok {
			return 0, 0, false
		}
		at, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return 0, 0, false
		}
		if at.Col == 0 || at.Row == 0 { // a terminal that does not know
			return 80, 24, true
		}
		return int(at.Col), int(at.Row), true
	}
}
