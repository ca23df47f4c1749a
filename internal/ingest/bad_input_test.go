package ingest_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/internal/ingest"
)

// packed is text as gzip.
func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func wide(text string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestNDJSONFiles(t *testing.T) {
	good := line("1") + "\n" + line("2") + "\n"
	tests := []struct {
		name, file, content string
		published           int
		problems            []string // of lines; the file's own error comes last
	}{
		{name: "good", content: good, published: 2},
		{name: "empty"},
		{name: "only blank lines", content: "\n  \n\r\n\n"},
		{name: "ends of lines of Windows", content: strings.ReplaceAll(good, "\n", "\r\n"), published: 2},
		{name: "byte order mark", content: "\uFEFF" + good, published: 2},
		{name: "no newline at the end", content: strings.TrimSpace(good), published: 2},
		{name: "compressed", file: "f.ndjson.gz", content: packed(t, good), published: 2},
		{name: "two compressed pieces", file: "f.ndjson.gz", content: packed(t, line("1")+"\n") + packed(t, line("2")+"\n"), published: 2},
		{name: "UTF-16", content: wide(good), problems: []string{"f.ndjson:1: invalid UTF-8", "f.ndjson:2: holds a NUL character; is the file UTF-16?", "f.ndjson:3: holds a NUL character; is the file UTF-16?"}},
		{name: "Latin-1 at line 7", content: strings.Repeat(line("1")+"\n", 6) + strings.Replace(line("1"), "urn:x", "urn:\xe9", 1) + "\n", problems: []string{"f.ndjson:7: invalid UTF-8"}},
		{name: "a line that is too long", content: line("1") + "\n" + strings.Repeat("x", 300<<10) + "\n" + line("2") + "\nx\n", problems: []string{"f.ndjson:2: line > 256 KiB", "f.ndjson:4: malformed_json: is not JSON, near byte 0"}},
		{name: "a last line that is too long", content: strings.Repeat("x", 300<<10), problems: []string{"f.ndjson:1: line > 256 KiB"}},
		{name: "a bad line of three", content: line("1") + "\n{\"id\":}\n" + line("2"), problems: []string{"f.ndjson:2: malformed_json: /id: is not JSON, near byte 6"}},
		{name: "an event that the vocabulary refuses", content: strings.Replace(line("1"), "order.confirmed.v1", "order.conjured.v1", 1), problems: []string{`f.ndjson:1: unknown_type: type: "order.conjured.v1" is not in the vocabulary`}},
		{name: "codes for the terminal", content: strings.Replace(line("1"), `"type":"order.confirmed.v1"`, `"type":"\u001b[2J"`, 1), problems: []string{`f.ndjson:1: unknown_type: type: "\x1b[2J" is not in the vocabulary`}},
		{name: "a name with codes for the terminal", file: "a\x1b[31m.ndjson", content: "x", problems: []string{`a\x1b[31m.ndjson:1: malformed_json: is not JSON, near byte 0`}},
		{name: ".gz that is plain", file: "f.ndjson.gz", content: good, problems: []string{"f.ndjson.gz: is not compressed with gzip, as its name says"}},
		{name: ".gz that is empty", file: "f.ndjson.gz", content: "", problems: []string{"f.ndjson.gz: is not compressed with gzip, as its name says"}},
		{name: "gzip that is cut off", file: "f.ndjson.gz", content: packed(t, good)[:60], problems: []string{"f.ndjson.gz:1: its gzip data is cut off"}},
		{name: "gzip with a wrong checksum", file: "f.ndjson.gz", content: func() string {
			b := []byte(packed(t, good))
			b[len(b)-6] ^= 1
			return string(b)
		}(), problems: []string{"f.ndjson.gz:3: the checksum of its gzip data is wrong"}},
		{name: "gzip in gzip", file: "f.ndjson.gz", content: packed(t, packed(t, good)), problems: []string{"f.ndjson.gz:1: invalid UTF-8", "f.ndjson.gz:2: invalid UTF-8"}},
		{name: "a bomb of one line", file: "f.ndjson.gz", content: packed(t, strings.Repeat("0", 16<<20)), problems: []string{"f.ndjson.gz:1: uncompresses to more than 100 times its size"}},
		{name: "a bomb of blank lines", file: "f.ndjson.gz", content: packed(t, strings.Repeat("\n", 8<<20)), problems: []string{"uncompresses to more than 100 times its size"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := tt.file
			if name == "" {
				name = "f.ndjson"
			}
			o := intake(t, ingest.NDJSON{Now: noon}, ingest.IntakeConfig{}, file(t, name, tt.content))
			check(t, o, tt.published, tt.problems)
		})
	}
}

// check holds an outcome against what is wanted: all or nothing.
func check(t *testing.T, o outcome, published int, problems []string) {
	t.Helper()
	if len(o.log) != published || o.result.Published != published {
		t.Errorf("%d events are published, %d are counted, want %d", len(o.log), o.result.Published, published)
	}
	if len(problems) == 0 {
		if o.err != nil || len(o.problems) > 0 {
			t.Errorf("Run: %v %v", o.err, o.problems)
		}
		return
	}
	data, ok := errors.AsType[*ingest.DataError](o.err)
	if !ok {
		t.Fatalf("Run: %v, want a DataError", o.err)
	}
	got := o.problems
	if data.Bad == 0 {
		data.Problem.File = filepath.Base(data.Problem.File)
		got = append(got, data.Error())
	}
	if len(problems) == 1 && len(got) == 1 && strings.HasSuffix(got[0], problems[0]) {
		return
	}
	if diff := cmp.Diff(problems, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestCSVFiles(t *testing.T) {
	const good = "order,at\no1,2025-01-02 03:04:05\no2,2025-01-02 03:04:05\n"
	tests := []struct {
		name, content string
		published     int
		problems      []string
	}{
		{name: "good", content: good, published: 2},
		{name: "empty"},
		{name: "only the names of columns", content: "order,at\n"},
		{name: "only blank lines", content: "\n\r\n  \n"},
		{name: "ends of lines of Windows", content: strings.ReplaceAll(good, "\n", "\r\n"), published: 2},
		{name: "byte order mark", content: "\uFEFF" + good, published: 2},
		{name: "byte order mark before a quote", content: "\uFEFF\"order\",at\no1,2025-01-02 03:04:05", published: 1},
		{name: "quoted, with a comma and a quote", content: "x,order,at\n\"a,\"\"b\"\"\",\"o1\",\"2025-01-02 03:04:05\"\n", published: 1},
		{name: "other columns and another order", content: "more,at,even more,order\n,2025-01-02 03:04:05,,o1\n", published: 1},
		{name: "too few columns", content: good + "o3\n", problems: []string{"f.csv:4:2: at: the row has 1 columns, the first line names 2"}},
		{name: "too many columns", content: good + "o3,2025-01-02 03:04:05,x\n", problems: []string{"f.csv:4:3: the row has 3 columns, the first line names 2"}},
		{name: "a line break in quotes", content: "order,at\n\"o1\n\",2025-01-02 03:04:05\n", problems: []string{
			"f.csv:2:1: order: the opening \" is not closed on this line; a field cannot hold a line break",
			"f.csv:3:1: order: the opening \" is not closed on this line; a field cannot hold a line break",
		}},
		{name: "a quote that is not closed", content: good + "\"o3,2025-01-02 03:04:05\no4,2025-01-02 03:04:05\n", problems: []string{"f.csv:4:1: order: the opening \" is not closed on this line; a field cannot hold a line break"}},
		{name: "a quote in the middle", content: good + "o\"3,2025-01-02 03:04:05\n", problems: []string{"f.csv:4:1: order: a \" stands in a field that does not begin with one"}},
		{name: "something behind a quote", content: good + "\"o3\"x,2025-01-02 03:04:05\n", problems: []string{"f.csv:4:1: order: something follows the closing \""}},
		{name: "a column twice", content: "order,at,order\n", problems: []string{"f.csv:1:3: order: the column stands twice"}},
		{name: "a column without a name", content: "order,,at\n", problems: []string{"f.csv:1:2: the column has no name"}},
		{name: "columns that are missing", content: "id,time\n", problems: []string{"f.csv:1: the first line does not name the column order, at, which the mapping needs"}},
		{name: "a time that is none", content: good + "o3,2025-13-02 03:04:05\n", problems: []string{`f.csv:4:2: at: order.confirmed.v1: "2025-13-02 03:04:05" is no time YYYY-MM-DD HH:mm:ss`}},
		{name: "a time that is missing", content: good + "o3,\n", problems: []string{"f.csv:4:2: at: order.confirmed.v1: is empty, and the event needs its time"}},
		{name: "a time before there were parcels", content: good + "o3,1999-01-02 03:04:05\n", problems: []string{"f.csv:4:2: at: order.confirmed.v1: schema_violation: time: lies outside the years 2000 to 2100"}},
		{name: "an id that is none", content: good + "o/3,2025-01-02 03:04:05\n", problems: []string{"f.csv:4:1: order: order.confirmed.v1: invalid_id: id: want 1 to 64 characters of A-Z a-z 0-9 . _ : -"}},
		{name: "an id that is missing", content: good + ",2025-01-02 03:04:05\n", problems: []string{"f.csv:4:1: order: order.confirmed.v1: is empty, and the event's id needs it"}},
		{name: "codes for the terminal", content: good + "o3,\x1b[2J\n", problems: []string{`f.csv:4:2: at: order.confirmed.v1: "\x1b[2J" is no time YYYY-MM-DD HH:mm:ss`}},
		{name: "Latin-1", content: good + "\xe9,2025-01-02 03:04:05\n", problems: []string{"f.csv:4: invalid UTF-8"}},
		{name: "NUL", content: good + "o\x003,2025-01-02 03:04:05\n", problems: []string{"f.csv:4: holds a NUL character; is the file UTF-16?"}},
		{name: "a line that is too long", content: good + strings.Repeat("x", 300<<10), problems: []string{"f.csv:4: line > 256 KiB"}},
		{name: "every bad line is named", content: "order,at\n/,2025-01-02 03:04:05\no2,2025-01-02 03:04:05\no3,\nx\n", problems: []string{
			"f.csv:2:1: order: order.confirmed.v1: invalid_id: id: want 1 to 64 characters of A-Z a-z 0-9 . _ : -",
			"f.csv:4:2: at: order.confirmed.v1: is empty, and the event needs its time",
			"f.csv:5:2: at: the row has 1 columns, the first line names 2",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := intake(t, ingest.CSV{Mapping: mapping(t, confirmed())}, ingest.IntakeConfig{}, file(t, "f.csv", tt.content))
			check(t, o, tt.published, tt.problems)
		})
	}
}

func TestOnlyADeclaredColumnIsKnown(t *testing.T) {
	m := mapping(t, confirmed("columns: [order, at]"))
	o := intake(t, ingest.CSV{Mapping: m}, ingest.IntakeConfig{}, file(t, "f.csv", "order,at,more\n"))
	check(t, o, 0, []string{"f.csv:1:3: more: the mapping does not know this column"})
}

func TestBadLinesArePutAsideOnDemand(t *testing.T) {
	content := "order,at\n\"o,1\",2025-01-02 03:04:05\r\no2,2025-01-02 03:04:05\no3,soon\n\no4,2025-01-02 03:04:05\n"
	var rejects bytes.Buffer
	o := intake(t, ingest.CSV{Mapping: mapping(t, confirmed())},
		ingest.IntakeConfig{SkipBad: true, Rejects: &rejects}, file(t, "f.csv", content))
	if o.err != nil {
		t.Fatal(o.err)
	}
	if got, want := rejects.String(), "order,at\n\"o,1\",2025-01-02 03:04:05\no3,soon\n"; got != want {
		t.Errorf("rejects\n%q\nwant\n%q", got, want)
	}
	if o.result.Published != 2 || o.result.Skipped != 2 || len(o.problems) != 2 {
		t.Errorf("%+v %v, want 2 published, 2 skipped, 2 problems", o.result, o.problems)
	}
	// What was put aside can be published when it is right.
	fixed := strings.NewReplacer("o,1", "o1", "soon", "2025-01-02 03:04:05").Replace(rejects.String())
	o = intake(t, ingest.CSV{Mapping: mapping(t, confirmed())}, ingest.IntakeConfig{}, file(t, "f.csv", fixed))
	check(t, o, 2, nil)
}

func TestRejectsOfOtherColumnsAreRefused(t *testing.T) {
	var rejects bytes.Buffer
	o := intake(t, ingest.CSV{Mapping: mapping(t, confirmed())}, ingest.IntakeConfig{SkipBad: true, Rejects: &rejects},
		file(t, "f.csv", "order,at\no1,soon\n"), file(t, "g.csv", "at,order\nsoon,o1\n"))
	if data, ok := errors.AsType[*ingest.DataError](o.err); !ok || data.Problem.Line != 1 {
		t.Errorf("Run: %v, want a DataError of line 1", o.err)
	}
}

func TestRejectsThatCannotBeWrittenStopTheRun(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("the device that is always full is missing: %v", err)
	}
	defer full.Close()
	o := intake(t, ingest.NDJSON{}, ingest.IntakeConfig{SkipBad: true, Rejects: full}, file(t, "f.ndjson", "x\n"))
	if !errors.Is(o.err, ingest.ErrRejects) || !errors.Is(o.err, syscall.ENOSPC) {
		t.Errorf("Run: %v, want %v", o.err, syscall.ENOSPC)
	}
}

func TestAHundredProblemsAreNamedAndTheOthersCounted(t *testing.T) {
	o := intake(t, ingest.NDJSON{}, ingest.IntakeConfig{}, file(t, "f.ndjson", strings.Repeat("x\n", 250)))
	if len(o.problems) != 100 || o.result.Problems != 250 {
		t.Errorf("%d problems are named, %d counted, want 100 and 250", len(o.problems), o.result.Problems)
	}
	if data, ok := errors.AsType[*ingest.DataError](o.err); !ok || data.Bad != 250 {
		t.Errorf("Run: %v, want 250 bad lines", o.err)
	}
}

func TestNothingOfAnyFileIsPublishedWhenTheLastOneIsBad(t *testing.T) {
	o := intake(t, ingest.NDJSON{}, ingest.IntakeConfig{}, file(t, "f.ndjson", line("1")), file(t, "g.ndjson", "x"))
	check(t, o, 0, []string{"g.ndjson:1: malformed_json: is not JSON, near byte 0"})
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel() // it waits for a pipe's writer
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.WriteFile(closed, nil, 0o000); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, file string
		want       error
	}{
		{"missing", filepath.Join(dir, "none"), fs.ErrNotExist},
		{"a folder", dir, fs.ErrInvalid},
		{"a pipe that nobody writes to", fifo, nil},
		{"no permission", closed, fs.ErrPermission},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if errors.Is(tt.want, fs.ErrPermission) && os.Geteuid() == 0 {
				t.Skip("root may read everything")
			}
			o := intake(t, ingest.NDJSON{}, ingest.IntakeConfig{}, file(t, "good.ndjson", line("1")), &ingest.File{Name: tt.file})
			if _, ok := errors.AsType[*ingest.FileError](o.err); !ok || tt.want != nil && !errors.Is(o.err, tt.want) {
				t.Errorf("Run: %v, want a FileError of %v", o.err, tt.want)
			}
			if strings.Contains(o.err.Error(), "\n") || strings.Count(o.err.Error(), tt.file) != 1 {
				t.Errorf("Run: %v, want one line that names the file once", o.err)
			}
			if len(o.log) > 0 {
				t.Errorf("%d events of the other file are published", len(o.log))
			}
		})
	}
}

func TestTheStandardInputIsReadTwice(t *testing.T) {
	in := func(text string) *ingest.File { return &ingest.File{Name: "-", Stdin: strings.NewReader(text)} }
	t.Setenv("TMPDIR", t.TempDir())
	check(t, intake(t, ingest.NDJSON{}, ingest.IntakeConfig{}, in(line("1")+"\n"+line("2"))), 2, nil)
	check(t, intake(t, ingest.NDJSON{}, ingest.IntakeConfig{}, in(line("1")+"\nx")), 0, []string{"-:2: malformed_json: is not JSON, near byte 0"})
	var rejects bytes.Buffer
	check(t, intake(t, ingest.NDJSON{}, ingest.IntakeConfig{SkipBad: true, Rejects: &rejects}, in(line("1"))), 1, nil)
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
	closed := &ingest.File{Name: "-", Stdin: failing{}}
	if o := intake(t, ingest.NDJSON{}, ingest.IntakeConfig{}, closed); !errors.Is(o.err, fs.ErrClosed) {
		t.Errorf("Run: %v, want %v", o.err, fs.ErrClosed)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, fs.ErrClosed }

func TestAFileThatGrowsIsReadToWhereItEnded(t *testing.T) {
	f := file(t, "f.ndjson", line("1")+"\n")
	pub := &recorder{}
	var warnings []string
	format := ingest.NDJSON{}
	in := ingest.NewIntake(growing{format, f.Name, t}, pub, ingest.IntakeConfig{Report: func(p ingest.Problem) { warnings = append(warnings, p.Reason) }})
	if _, err := in.Run(t.Context(), []*ingest.File{f}); err != nil {
		t.Fatal(err)
	}
	if len(pub.log) != 1 {
		t.Errorf("%d events are published, want 1", len(pub.log))
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "it grew") {
		t.Errorf("warnings %q, want one that it grew", warnings)
	}
}
