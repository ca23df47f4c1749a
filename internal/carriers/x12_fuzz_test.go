package carriers_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

// FuzzX12 holds the parser to its word for any file: no panic, events that are
// valid, an error that is the file's fault, and messages that are files of their
// own, which say the same again.
func FuzzX12(f *testing.F) {
	if real, err := os.ReadFile("../../../shared/data/carriers/canadapost-214.edi"); err == nil {
		f.Add(string(real[:strings.Index(string(real), "ST*214*000000004")]) + "GE*3*1644\nIEA*1*1644\n")
	}
	f.Add(x12File("B10*1*2*FRGT~\nLX*1~\nAT7*D1*NS***20260301*0915*ET~\nMS1*ALBANY*NY*US~", "B10*2*2*FRGT~"))
	f.Add(strings.ReplaceAll(x12File("L11*9*2I~\nLX*1~\nAT7***AB*NA*260301*20*09153012*18~\nMS1*X*CO*US*1045903*0394421*W*N*80014*1*2~"), "~\n", "\r\n"))
	f.Add(x12File("B10*1*2*FRGT~\nLX*1~\nCD3*L*1~\nMAN*CP*7~\nAT7*A7*BS***20260301**LT~") + x12File("AK1~"))
	f.Add(x12ISA)
	f.Add("\ufeffISA*00*")
	p := x12Profile(f, "x12-214")
	f.Fuzz(func(t *testing.T, file string) {
		all, err := x12Read(p, file)
		if _, ok := errors.AsType[*carriers.FormatError](err); err != nil && !ok {
			t.Fatalf("error = %v, want a FormatError", err)
		}
		for _, m := range all {
			fuzzX12Message(t, p, &m)
		}
	})
}

func fuzzX12Message(t *testing.T, p *carriers.Profile, m *carriers.Message) {
	if (len(m.Events) == 0) == (len(m.Problems) == 0) {
		t.Fatalf("line %d: %d events and %d problems", m.Line, len(m.Events), len(m.Problems))
	}
	for _, e := range m.Events {
		if err := e.Validate(); err != nil {
			t.Fatalf("line %d: %v", m.Line, err)
		}
		if _, err := events.Encode(e); err != nil {
			t.Fatalf("line %d: %v", m.Line, err)
		}
	}
	again, err := x12Read(p, string(m.Raw))
	if err != nil || len(again) != 1 {
		t.Fatalf("line %d: %d messages when read again, error %v:\n%q", m.Line, len(again), err, m.Raw)
	}
	if diff := cmp.Diff(m.Events, again[0].Events); diff != "" {
		t.Fatalf("line %d: events when read again (-first +again):\n%s\nof %q", m.Line, diff, m.Raw)
	}
}
