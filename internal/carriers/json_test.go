package carriers_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/carriers"
)

func jsonNow() time.Time { return time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC) }

func jsonProfile(t testing.TB, name string) *carriers.Profile {
	t.Helper()
	p, err := carriers.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// jsonRead reads a whole file. The messages own what they hold.
func jsonRead(p *carriers.Profile, text string) (all []carriers.Message, err error) {
	for m, err := range p.Messages(strings.NewReader(text), "acme", jsonNow()) {
		if err != nil {
			return all, err
		}
		m.Raw = []byte(string(m.Raw))
		all = append(all, m)
	}
	return all, nil
}

// jsonEvents reads a file that has nothing wrong.
func jsonEvents(t testing.TB, p *carriers.Profile, text string) (all []events.Event) {
	t.Helper()
	found, err := jsonRead(p, text)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		if len(m.Problems) > 0 {
			t.Fatalf("problems of the message in line %d: %+v", m.Line, m.Problems)
		}
		all = append(all, m.Events...)
	}
	return all
}

func jsonFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// jsonSaid says in a line what an event says: its type, and what is not as usual.
func jsonSaid(t testing.TB, e *events.Event) string {
	t.Helper()
	var d struct {
		Class      string           `json:"class"`
		OccurredAt string           `json:"occurred_at"`
		TZSource   string           `json:"tz_source"`
		Precision  string           `json:"time_precision"`
		Location   *events.Location `json:"location"`
		ReasonCode string           `json:"reason_code"`
		HandedTo   string           `json:"handed_to"`
		Party      string           `json:"party"`
		Severity   string           `json:"severity"`
		Action     bool             `json:"action_required"`
		Window     *struct {
			End       string `json:"end"`
			Precision string `json:"time_precision"`
		} `json:"window"`
	}
	if err := json.Unmarshal(e.Body, &d); err != nil {
		t.Fatal(err)
	}
	words := []string{strings.TrimSuffix(strings.TrimPrefix(string(e.Type()), "shipment."), ".v1"), d.OccurredAt}
	add := func(s string) {
		if s != "" {
			words = append(words, s)
		}
	}
	if d.TZSource != "offset" {
		add(d.TZSource)
	}
	if d.Precision != "second" {
		add(d.Precision)
	}
	if l := d.Location; l != nil {
		for _, s := range []string{l.Name, l.City, l.Region, l.Postcode, l.Country} {
			add(strings.ReplaceAll(s, " ", "_"))
		}
	}
	add(d.ReasonCode)
	add(d.HandedTo)
	if d.Party != "" {
		add(fmt.Sprintf("%s/%s/%t", d.Party, d.Severity, d.Action))
	}
	if d.Window != nil {
		add("by " + d.Window.End)
		if d.Window.Precision != "second" {
			add(d.Window.Precision)
		}
	}
	return strings.Join(words, " ")
}

func jsonSaidAll(t testing.TB, all []events.Event) (said []string) {
	t.Helper()
	for i := range all {
		said = append(said, jsonSaid(t, &all[i]))
	}
	return said
}

// tracker is a small EasyPost tracker with one scan.
func tracker(number string) string {
	return `{"tracking_code":"` + number + `","carrier":"UPS","tracking_details":[{"status":"delivered","datetime":"2026-03-01T10:00:00-05:00"}]}`
}

// manyFields is more fields than a tracker may have scans.
func manyFields() string {
	var all []string
	for i := range 6_000 {
		all = append(all, fmt.Sprintf(`"f%d":%d`, i, i))
	}
	return strings.Join(all, ",")
}

func pretty(doc string) string { return strings.ReplaceAll(doc, ",", ",\n  ") }

func TestDocumentsAreFoundHoweverTheyAreLaidOut(t *testing.T) {
	a, b, c := tracker("A1"), tracker("B2"), tracker("C3")
	big := strings.Replace(tracker("BIG"), `{`, `{"padding":"`+strings.Repeat("x", 200_000)+`",`, 1)
	tests := []struct {
		name, text string
		want       []string // line:number
	}{
		{"one", a, []string{"1:A1"}},
		{"one on many lines", pretty(a) + "\n", []string{"1:A1"}},
		{"a byte order mark", "\uFEFF" + a, []string{"1:A1"}},
		{"a document a line", a + "\n" + b + "\r\n" + c, []string{"1:A1", "2:B2", "3:C3"}},
		{"with empty lines", "\n\n" + a + "\n \n\t\n" + b + "\n\n", []string{"3:A1", "6:B2"}},
		{"one behind the other", a + b + " " + c, []string{"1:A1", "1:B2", "1:C3"}},
		{"each on many lines", pretty(a) + "\n" + pretty(b) + pretty(c), []string{"1:A1", "5:B2", "8:C3"}},
		{"an array", "[" + a + "," + b + "]", []string{"1:A1", "1:B2"}},
		{"an array on many lines", "[\n" + pretty(a) + "\n,\n" + b + "\n]\n", []string{"2:A1", "7:B2"}},
		{"an empty array", "[ ]", nil},
		{"nothing", "", nil},
		{"nothing but lines", " \r\n\n", nil},
		{"nothing but a mark", "\uFEFF", nil},
		{"more than is read at once", big + "\n" + a + "\n" + big + b, []string{"1:BIG", "2:A1", "3:BIG", "3:B2"}},
		{"fields that nobody knows", strings.Replace(a, "{", `{"x":[{"y":null}],"number":1e400,`+manyFields()+`,"est_delivery_date":null,`, 1), []string{"1:A1"}},
		{"brackets within texts", strings.Replace(a, "{", `{"x":"\"`+strings.Repeat("[", 100)+`",`, 1), []string{"1:A1"}},
		{"braces within texts", strings.Replace(a, "{", `{"x":"}\n{[\"\\",`, 1) + b, []string{"1:A1", "1:B2"}},
	}
	p := jsonProfile(t, "easypost")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, err := jsonRead(p, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range found {
				if len(m.Problems) != 0 || len(m.Events) != 1 {
					t.Fatalf("message of line %d: %d events, problems %+v", m.Line, len(m.Events), m.Problems)
				}
				got = append(got, fmt.Sprintf("%d:%s", m.Line, strings.TrimPrefix(m.Events[0].Subject, "trk:UPS:")))
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}

func TestSlowReadersSeeTheSameDocuments(t *testing.T) {
	p := jsonProfile(t, "easypost")
	text := "\uFEFF" + tracker("A1") + "\nnonsense\n" + tracker("B2") + "\n"
	var got []string
	for m, err := range p.Messages(iotest.OneByteReader(strings.NewReader(text)), "acme", jsonNow()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(m.Raw))
	}
	if diff := cmp.Diff(got, []string{tracker("A1"), "nonsense\n", tracker("B2")}); diff != "" {
		t.Errorf("documents: got -, want +:\n%s", diff)
	}
}

func TestReadersErrorEndsTheFile(t *testing.T) {
	p := jsonProfile(t, "easypost")
	broken := errors.New("the disk is gone")
	for _, text := range []string{"", tracker("A1"), `{"tracking_code":`, `{"tracking_code":"A`, "nonsense\n"} {
		var got error
		for _, err := range p.Messages(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), "acme", jsonNow()) {
			got = err
		}
		if _, ours := errors.AsType[*carriers.FormatError](got); ours || !errors.Is(got, broken) {
			t.Errorf("after %q: error = %v, want %v, and no format error", text, got, broken)
		}
	}
}

// bad is a problem as the tests write it.
func bad(p carriers.Problem) string {
	if p.Place == "" {
		return fmt.Sprintf("%d: %s", p.Line, p.Reason)
	}
	return fmt.Sprintf("%d: %s %s", p.Line, p.Place, p.Reason)
}

// jsonOutcome is what comes of a file: a line per message, and the error.
func jsonOutcome(p *carriers.Profile, text string) (got []string) {
	found, err := jsonRead(p, text)
	for _, m := range found {
		for _, problem := range m.Problems {
			got = append(got, bad(problem))
		}
		if len(m.Problems) == 0 {
			got = append(got, fmt.Sprintf("%d: ok %d", m.Line, len(m.Events)))
		}
	}
	if wrong, ok := errors.AsType[*carriers.FormatError](err); ok {
		got = append(got, "END "+bad(wrong.Problem))
	} else if err != nil {
		got = append(got, err.Error())
	}
	return got
}

func TestBadDocuments(t *testing.T) {
	a, b := tracker("A1"), tracker("B2")
	nested := func(n int) string {
		return strings.Replace(a, "{", `{"x":`+strings.Repeat("[", n)+strings.Repeat("]", n)+`,`, 1)
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"no object", "null\n\"x\"\n42\n" + a, []string{"1: want a JSON object", "2: want a JSON object", "3: want a JSON object", "4: ok 1"}},
		{"an array of others", "[1,[" + a + "]," + b + "]", []string{"1: want a JSON object", "1: want a JSON object", "1: ok 1"}},
		{"a key twice", pretty(strings.Replace(a, `"carrier"`, `"x":{"y":1,"y":2},"carrier"`, 1)) + b, []string{"3: /x/y stands twice", "6: ok 1"}},
		{"bytes that are no text", strings.Replace(a, "UPS", "U\xffS", 1) + b, []string{"1: /carrier is not Unicode text", "1: ok 1"}},
		{"half a surrogate", strings.Replace(a, "UPS", `\ud800`, 1), []string{"1: /carrier is not Unicode text"}},
		{"nested as deep as allowed", nested(63), []string{"1: ok 1"}},
		{"nested too deep", nested(64) + b, []string{"1: is nested deeper than 64", "1: ok 1"}},
		{"nested without end", strings.Repeat("[", 20_000) + "\n" + a, []string{"1: /0" + strings.Repeat("/0", 59) + "… is not JSON, near byte 10000 of the document", "2: ok 1", "END 2: the array that begins in line 1 is cut off: the file ends within it"}},
		{"an object nested without end", a + "\n" + strings.Repeat(`{"a":`, 20_000) + "\n" + b, []string{"1: ok 1", "2: " + strings.Repeat("/a", 60) + "… is not JSON, near byte 50000 of the document", "3: ok 1"}},
		{"cut off", a + "\n" + b[:40], []string{"1: ok 1", "2: the JSON document that begins in line 2 is cut off: the file ends within it"}},
		{"cut off within a text", a + "\n{\"tracking_co", []string{"1: ok 1", "2: the JSON document that begins in line 2 is cut off: the file ends within it"}},
		{"a line cut off among others", a + "\n" + b[:40] + "\n" + b + "\n", []string{"1: ok 1", "2: is not JSON, near byte 40 of the document", "3: ok 1"}},
		{"a typing error among others", "{\"tracking_code\" \"A1\"}\n" + b, []string{"1: /tracking_code is not JSON, near byte 17 of the document", "2: ok 1"}},
		{"a typing error on many lines", "{\n  \"tracking_code\": \"A1\",\n  \"carrier\": UPS\n}\n" + pretty(b), []string{"3: /carrier is not JSON, near byte 40 of the document", "5: ok 1"}},
		{"a line without its end", a[:len(a)-1] + "\n" + b, []string{"2: is not JSON, near byte 121 of the document", "2: ok 1"}},
		{"a typing error below a brace", "{\"x\":\n{\"y\":1},\n\"z\":}\n" + b, []string{"3: /z is not JSON, near byte 19 of the document", "4: ok 1"}},
		{"not a number", strings.Replace(a, `"UPS"`, `NaN`, 1), []string{"1: /carrier is not JSON, near byte 32 of the document"}},
		{"something behind", a + " }\n" + b, []string{"1: ok 1", "1: is not JSON, near byte 0 of the document", "2: ok 1"}},
		{"words", "hello\nworld\n" + a, []string{"1: is not JSON, near byte 0 of the document", "3: ok 1"}},
		{"a comma between documents", a + ",\n" + b, []string{"1: ok 1", "1: is not JSON, near byte 0 of the document", "2: ok 1"}},
		{"UTF-16", "\xff\xfe{\x00}\x00", []string{"END 1: is UTF-16, want UTF-8"}},
		{"an array that does not end", "\n[" + a + "\n", []string{"2: ok 1", "END 3: the array that begins in line 2 is cut off: the file ends within it"}},
		{"an array without commas", "[" + a + "\n" + b + "]", []string{"1: ok 1", "END 2: want a comma or ] after a document of an array"}},
		{"an array with a comma too many", "[" + a + ",]", []string{"1: ok 1", "END 1: want a document after the comma"}},
		{"something behind an array", "[" + a + "]\n" + b, []string{"1: ok 1", "END 2: want nothing after the array"}},
		{"a bad element on its line", "[\n" + a + ",\n{\"x\":},\n" + b + "\n]", []string{"2: ok 1", "3: /x is not JSON, near byte 5 of the document", "4: ok 1"}},
		{"a bad element among others", "[" + a + ",{\"x\":}," + b + "]", []string{"1: ok 1", "1: /x is not JSON, near byte 5 of the document"}},
		{"a key for a terminal", strings.Replace(a, "{", `{"\u001b[2J":{"a":1,"a":2},`, 1), []string{"1: /?[2J/a stands twice"}},
	}
	p := jsonProfile(t, "easypost")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(jsonOutcome(p, tt.text), tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}

func TestDocumentsOfUpToFourMebibytes(t *testing.T) {
	p := jsonProfile(t, "easypost")
	whole := func(size int) string {
		doc := tracker("A1")
		return strings.Replace(doc, "{", `{"x":"`+strings.Repeat("y", size-len(doc)-len(`"x":"",`))+`",`, 1)
	}
	const most = 4 << 20
	tests := []struct {
		name, text string
		want       []string
	}{
		{"as large as allowed", whole(most) + whole(most), []string{"1: ok 1", "1: ok 1"}},
		{"a byte more", tracker("A1") + "\n" + whole(most+1), []string{"1: ok 1", "END 2: a document is larger than 4 MiB"}},
		{"far more", whole(3 * most), []string{"END 1: a document is larger than 4 MiB"}},
		{"no JSON for long", tracker("A1") + "\n" + strings.Repeat("no\n", most), []string{"1: ok 1", "END 2: is not JSON, and no next document was found within 4 MiB"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(jsonOutcome(p, tt.text), tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}

// What a message holds is the file, and can be read again.
func TestEveryDocumentIsAFileOfItsOwn(t *testing.T) {
	p := jsonProfile(t, "easypost")
	text := "[" + tracker("A1") + ",\n" + tracker("B2") + "]"
	for _, m := range must(jsonRead(p, text)) {
		again := must(jsonRead(p, string(m.Raw)))
		if len(again) != 1 || len(again[0].Events) != 1 || again[0].Events[0].ID != m.Events[0].ID {
			t.Errorf("line %d: read again, its document is %+v", m.Line, again)
		}
	}
	const broken = "{\"x\"\n  1}\n"
	if found := must(jsonRead(p, broken+tracker("A1"))); string(found[0].Raw) != broken {
		t.Errorf("a document that is no JSON holds %q, want %q", found[0].Raw, broken)
	}
}

func must(all []carriers.Message, err error) []carriers.Message {
	if err != nil {
		panic(err)
	}
	return all
}
