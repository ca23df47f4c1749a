//go:build !unix

package main

import "io"

// sizeOf knows no terminal here: changes are printed in lines.
func sizeOf(io.Writer) size {
	return func() (int, int, bool) { return 0, 0, false }
}
