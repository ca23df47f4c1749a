package carriers_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

func FuzzEasyPost(f *testing.F)  { fuzzJSON(f, "easypost") }
func FuzzAfterShip(f *testing.F) { fuzzJSON(f, "aftership") }

// fuzzJSON holds a format to what is promised of any file: what is accepted is
// valid and the same again, what is not says why, and no byte is lost or given
// out twice.
func fuzzJSON(f *testing.F, format string) {
	files, err := filepath.Glob(filepath.Join("testdata", format, "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds for %s: %v", format, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(append(append([]byte("["), text...), ']'))
		f.Add(text[:len(text)/2])
	}
	for _, text := range []string{"", "\uFEFF", "\xff\xfe", "[", "]", "[]", "{}{}", "null", "{\n{\n{", `{"a":"\ud800"}`, tracker("1") + "\n{\n" + tracker("2")} {
		f.Add([]byte(text))
	}
	p := jsonProfile(f, format)
	f.Fuzz(func(t *testing.T, text []byte) {
		rest, line := text, 0
		for m, err := range p.Messages(bytes.NewReader(text), "acme", jsonNow()) {
			if err != nil {
				if _, ok := errors.AsType[*carriers.FormatError](err); !ok {
					t.Fatalf("error = %v, want a format error", err)
				}
				return
			}
			at := bytes.Index(rest, m.Raw)
			if len(m.Raw) == 0 || at < 0 {
				t.Fatalf("line %d: %q does not stand in what is left, %q", m.Line, m.Raw, rest)
			}
			rest = rest[at+len(m.Raw):]
			if m.Line < 1 || m.Line < line {
				t.Fatalf("line %d comes after line %d", m.Line, line)
			}
			line = m.Line
			fuzzMessage(t, p, m)
		}
	})
}

func fuzzMessage(t *testing.T, p *carriers.Profile, m carriers.Message) {
	t.Helper()
	for _, problem := range m.Problems {
		if problem.Reason == "" || problem.Line < m.Line {
			t.Errorf("the message of line %d has the problem %+v", m.Line, problem)
		}
	}
	if len(m.Problems) > 0 && len(m.Events) > 0 {
		t.Errorf("%d problems, and yet %d events", len(m.Problems), len(m.Events))
	}
	if len(m.Problems) > 0 {
		return
	}
	ids := func(all []events.Event) (ids []events.EventID) {
		for i := range all {
			if err := all[i].Validate(); err != nil {
				t.Errorf("event %d is not valid: %v", i, err)
			}
			ids = append(ids, all[i].ID)
		}
		return ids
	}
	made, raw := ids(m.Events), bytes.Clone(m.Raw)
	for again, err := range p.Messages(bytes.NewReader(raw), "acme", jsonNow()) {
		if diff := cmp.Diff(ids(again.Events), made); err != nil || diff != "" {
			t.Errorf("read again: error %v, got -, want +:\n%s", err, diff)
		}
	}
}
