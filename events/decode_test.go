package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/waybill-io/waybill/events"
)

// badBody is data that no event can have, with the reason it is refused for.
type badBody struct {
	name string
	typ  events.Type
	body string
	want events.Code
}

// badBodies are the hostile and careless bodies; they are the fuzz seeds too.
func badBodies() []badBody {
	const confirmed, placed, position = events.TypeOrderConfirmed, events.TypeOrderPlaced, events.TypePosition
	line := func(qty string) string {
		return `{"order_id":"o-1","number":"1","channel":"web","currency":"EUR","lines":[{"line_id":"1","qty":` + qty + `}]}`
	}
	price := func(p string) string {
		return `{"order_id":"o-1","number":"1","channel":"web","currency":"EUR","lines":[{"line_id":"1","qty":1,"unit_price":` + p + `}]}`
	}
	at := func(occurred string) string { return `{"order_id":"o-1","occurred_at":` + occurred + `}` }
	return []badBody{
		{"white space", confirmed, " \n\t", events.CodeMalformed},
		{"cut off", confirmed, `{"order_id":"o-1`, events.CodeMalformed},
		{"no value", confirmed, `{"order_id":}`, events.CodeMalformed},
		{"NaN", position, `{"lat":NaN,"lon":0}`, events.CodeMalformed},
		{"byte order mark", confirmed, "\ufeff" + `{"order_id":"o-1"}`, events.CodeMalformed},
		{"null", confirmed, `null`, events.CodeSchema},
		{"list", confirmed, `[]`, events.CodeSchema},
		{"string", confirmed, `"x"`, events.CodeSchema},
		{"number", confirmed, `42`, events.CodeSchema},
		{"field twice", confirmed, `{"order_id":"o-1","order_id":"o-2"}`, events.CodeDuplicateKey},
		{"unknown field twice", confirmed, `{"order_id":"o-1","raw":{"text":"a","text":"b"}}`, events.CodeDuplicateKey},
		{"other case", confirmed, `{"ORDER_ID":"o-1"}`, events.CodeUnknownField},
		{"second document", confirmed, `{"order_id":"o-1"}{"order_id":"o-2"}`, events.CodeTrailing},
		{"text after the document", confirmed, `{"order_id":"o-1"} x`, events.CodeTrailing},
		{"invalid UTF-8", confirmed, "{\"order_id\":\"o-1\",\"raw\":{\"text\":\"a\xff\"}}", events.CodeInvalidUTF8},
		{"overlong UTF-8", confirmed, "{\"order_id\":\"o-1\",\"raw\":{\"text\":\"\xc0\x80\"}}", events.CodeInvalidUTF8},
		{"lone surrogate", confirmed, `{"order_id":"o-1","raw":{"text":"\ud800"}}`, events.CodeInvalidUTF8},
		{"NUL escape", confirmed, `{"order_id":"o-1","raw":{"text":"a\u0000"}}`, events.CodeControlChar},
		{"NUL byte", confirmed, "{\"order_id\":\"o-1\",\"raw\":{\"text\":\"a\x00\"}}", events.CodeMalformed},
		{"control character in an id", confirmed, `{"order_id":"o\u0007-1"}`, events.CodeInvalidID},
		{"bidi override in an id", confirmed, `{"order_id":"o-\u202e1"}`, events.CodeInvalidID},
		{"zero width in an id", confirmed, `{"order_id":"o-\u200b1"}`, events.CodeInvalidID},
		{"homoglyph in an id", confirmed, `{"order_id":"о-1"}`, events.CodeInvalidID},
		{"decomposed id", confirmed, `{"order_id":"e\u0301-1"}`, events.CodeInvalidID},
		{"33 levels", confirmed, strings.Repeat("[", 33), events.CodeTooDeep},
		{"65 levels", confirmed, strings.Repeat(`{"a":`, 65), events.CodeTooDeep},
		{"10,001 levels", confirmed, strings.Repeat("[", 10_001), events.CodeTooDeep},
		{"200,000 levels", confirmed, strings.Repeat("[", 200_000), events.CodeTooDeep},
		{"1,000,000 levels", confirmed, strings.Repeat("[", 1_000_000), events.CodeTooLarge},
		{"1 MiB string", confirmed, `{"order_id":"o-1","raw":{"text":"` + strings.Repeat("x", 1<<20) + `"}}`, events.CodeTooLarge},
		{"100 KiB string", confirmed, `{"order_id":"o-1","raw":{"text":"` + strings.Repeat("x", 100<<10) + `"}}`, events.CodeSchema},
		{"10,000 keys", confirmed, `{"order_id":"o-1"` + manyKeys(10_000) + `}`, events.CodeUnknownField},
		{"10,000 items", placed, strings.Replace(line("1"), `]`, strings.Repeat(`,{"qty":1}`, 9_999)+`]`, 1), events.CodeSchema},
		{"fraction of a unit", placed, line("1.5"), events.CodeSchema},
		{"quantity with exponent", placed, line("1e3"), events.CodeSchema},
		{"quantity beyond int64", placed, line("9223372036854775808"), events.CodeSchema},
		{"quantity 2^53+1", placed, line("9007199254740993"), events.CodeSchema},
		{"negative quantity", placed, line("-1"), events.CodeSchema},
		{"no quantity", placed, line("0"), events.CodeSchema},
		{"quantity as text", placed, line(`"1"`), events.CodeSchema},
		{"infinite latitude", position, `{"lat":1e400,"lon":0}`, events.CodeSchema},
		{"price as a number", placed, price("7.900000000000000000000000000001"), events.CodeSchema},
		{"price with 7 decimals", placed, price(`"1.1234567"`), events.CodeSchema},
		{"time without zone", confirmed, at(`"2026-03-01T10:00:00"`), events.CodeSchema},
		{"year 10000", confirmed, at(`"10000-01-01T00:00:00Z"`), events.CodeSchema},
		{"year 0", confirmed, at(`"0000-01-01T00:00:00Z"`), events.CodeSchema},
		{"year 1999", confirmed, at(`"1999-12-31T23:59:59Z"`), events.CodeSchema},
		{"leap second", confirmed, at(`"2016-12-31T23:59:60Z"`), events.CodeSchema},
		{"time as a number", confirmed, at(`1772355600`), events.CodeSchema},
		{"no id", confirmed, `{}`, events.CodeSchema},
		{"id of 65 characters", confirmed, `{"order_id":"` + strings.Repeat("a", 65) + `"}`, events.CodeInvalidID},
		{"id with a slash", confirmed, `{"order_id":"a/b"}`, events.CodeInvalidID},
		{"id with an escape", confirmed, `{"order_id":"%2e%2e"}`, events.CodeInvalidID},
		{"id with a newline", confirmed, `{"order_id":"a\n"}`, events.CodeInvalidID},
		{"unknown type", "order.teleported.v1", `{"order_id":"o-1"}`, events.CodeUnknownType},
		{"unknown version", "order.placed.v999", `{"order_id":"o-1"}`, events.CodeUnknownType},
		{"protobuf", confirmed, "\x00\x00\x00\x00\x01\x0a\x03o-1", events.CodeMalformed},
		{"XML", confirmed, `<?xml version="1.0"?><order/>`, events.CodeMalformed},
		{"position without a place", position, `{}`, events.CodeSchema},
		{"position at null", position, `{"lat":null,"lon":null}`, events.CodeSchema},
		{"amended without a total", events.TypeOrderAmended, `{"order_id":"o-1","lines":[{"line_id":"1"}]}`, events.CodeSchema},
		{"line twice", placed, strings.Replace(line("1"), `]`, `,{"line_id":"1","qty":1}]`, 1), events.CodeSchema},
		{"900 KiB", confirmed, `{"order_id":"o-1","raw":{"text":"` + strings.Repeat("x", 900<<10) + `"}}`, events.CodeTooLarge},
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"k` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + time.Duration(i).String() + `":1`)
	}
	return b.String()
}

func TestDecodeRefusesBadBodiesByName(t *testing.T) {
	for _, tt := range badBodies() {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeData(t, tt.typ, []byte(tt.body))
			if got := events.CodeOf(err); got != tt.want {
				t.Errorf("Decode(%.200q) = %v, want code %s", tt.body, err, tt.want)
			}
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("the error is %d bytes long: it repeats the payload", len(err.Error()))
			}
		})
	}
}

// What is wrong with the text is wrong in structured mode too.
func TestParseRefusesBadTextByName(t *testing.T) {
	textual := map[events.Code]bool{
		events.CodeMalformed: true, events.CodeDuplicateKey: true, events.CodeInvalidUTF8: true,
		events.CodeControlChar: true, events.CodeTooDeep: true, events.CodeTooLarge: true,
	}
	n := 0
	for _, tt := range badBodies() {
		if !textual[tt.want] {
			continue
		}
		n++
		doc := `{"specversion":"1.0","type":"` + string(tt.typ) + `","data":` + tt.body + `}`
		if _, err := events.Parse([]byte(doc), time.Time{}); events.CodeOf(err) != tt.want {
			t.Errorf("%s: Parse(%.200q) = %v, want code %s", tt.name, doc, err, tt.want)
		}
	}
	if n < 10 {
		t.Errorf("only %d bodies are bad as text", n)
	}
}

func TestDecodeAcceptsOldFactsAndNulls(t *testing.T) {
	for name, body := range map[string]string{
		"five years ago":              `{"occurred_at":"2021-03-01T10:00:00+01:00"}`,
		"null says nothing":           `{"location":{"name":"Laserlevel","region":"AB","unlocode":null,"lat":null,"lon":null},"raw":{"standard":"X12-214","text":null}}`,
		"empty text says nothing":     `{"parcel_id":"","class":""}`,
		"SQL is text":                 `{"raw":{"text":"'; drop table events; -- $tag$ \\\\ %00"}}`,
		"markup is text":              `{"raw":{"text":"<img onerror=alert(1)></script>"}}`,
		"reason nobody knows":         `{"raw":{"standard":"FUTURE-9","status":"ZZ"}}`,
		"2^53+1 as text keeps digits": `{"raw":{"text":"9007199254740993"}}`,
	} {
		e, err := decodeData(t, events.TypePickedUp, []byte(body))
		if err != nil {
			t.Errorf("%s: Decode(%s): %v", name, body, err)
			continue
		}
		if string(e.Body) != body {
			t.Errorf("%s: Body = %s, want it as written: %s", name, e.Body, body)
		}
	}
}

func TestContentHashIsThatOfWhatIsSaid(t *testing.T) {
	hash := func(body string) [32]byte {
		t.Helper()
		e, err := decodeData(t, events.TypePickedUp, []byte(body))
		if err != nil {
			t.Fatalf("Decode(%s): %v", body, err)
		}
		h, err := e.ContentHash()
		if err != nil {
			t.Fatalf("ContentHash(%s): %v", body, err)
		}
		return h
	}
	base := hash(`{"shipment_id":"s-1","facility":"YYC"}`)
	if other := hash("{ \"facility\":\"\\u0059YC\",\n \"shipment_id\":\"s-1\" }"); other != base {
		t.Error("white space, escapes and the order of fields change the hash")
	}
	if other := hash(`{"shipment_id":"s-1","facility":"YYZ"}`); other == base {
		t.Error("another facility has the same hash")
	}
}
