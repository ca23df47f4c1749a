package ingest_test

import (
	"io"
	"iter"
	"os"
	"testing"

	"github.com/waybill-io/waybill/internal/ingest"
)

// growing appends to the file whenever it is about to be read.
type growing struct {
	ingest.NDJSON
	path string
	t    *testing.T
}

func (g growing) Records(r io.Reader) iter.Seq2[ingest.Record, error] {
	f, err := os.OpenFile(g.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := f.WriteString(line("9") + "\n"); err != nil {
		g.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		g.t.Fatal(err)
	}
	return g.NDJSON.Records(r)
}
