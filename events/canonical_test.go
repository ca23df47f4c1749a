package events_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/waybill-io/waybill/events"
)

var hashedAt = time.Date(2026, 3, 1, 10, 0, 0, 120_000_000, time.FixedZone("", -7*3600))

// hashes returns what an event with the body hashes to, and what the library
// makes of it; either error is enough.
func hashes(body string) (got, want [sha256.Size]byte, err, wantErr error) {
	e := events.New("acme", "urn:acme:test", "evt-1", "s-1", &events.InfoReceived{ShipmentFact: events.ShipmentFact{Fact: events.Fact{OccurredAt: hashedAt}}})
	e.Body = []byte(body)
	got, err = e.ContentHash()
	doc := jsontext.Value(`["shipment.info_received.v1","2026-03-01T17:00:00.12Z",` + body + `]`)
	wantErr = doc.Canonicalize()
	return got, sha256.Sum256(doc), err, wantErr
}

func sameHash(tb rapid.TB, body string) {
	tb.Helper()
	got, want, err, wantErr := hashes(body)
	switch {
	case (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error():
		tb.Fatalf("hashing %q: error %v, the library says %v", body, err, wantErr)
	case err == nil && got != want:
		tb.Fatalf("hashing %q gives another hash than the library's canonical form", body)
	}
}

// strange are bodies at which a short way through JSON goes wrong.
func strange() []string {
	list := []string{
		``, ` `, `{`, `}`, `{}`, `{ }`, `[]`, `[ ]`, `[,]`, `[1,]`, `[1 2]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{a:1}`, `{"a":1}{}`, `{"a":1}]`, `1],[2`,
		`"`, `"a`, "\"a\nb\"", "\"\x00\"", "\x00", "{}\x00", "\"\x7f\"", `"\u007f"`, `"\/"`, `"\ud83d\ude00"`, `"\ud83d"`, "\"\xff\"", "\"\xed\xa0\x80\"", "\"\u2028<>&'\"", `"é"`, "\ufeff{}",
		`{"b":1,"a":2}`, `{"a":1,"a":2}`, `{"b":1,"a":1,"b":1}`, `{"a":1,"\u0061":2}`, `{"":1,"a":2}`, `{"a":1,"":2}`, `{"a!":1,"a":2,"a ":3,"a#":4}`, `{"a":1,"a!":2,"a ":3,"a#":4,"A":5,"a\"":6}`,
		`{"é":1,"z":2}`, "{\"\ufb33\":1,\"\U0001f600\":2}", "{\"\U0001f600\":1,\"\ufb33\":2}", `{"a":{"d":[{"f":1,"e":2}],"c":{}},"B":[]}`,
		`tru`, `true `, `truex`, `nul`, `null`, `false`, `True`, `+1`, `.5`, `1.`, `01`, `-`, `--1`, `1e`, `1e5x`, `0x1`, `1_000`, `NaN`, `Infinity`, `1 `, `1.5.5`, `1-`,
		strings.Repeat("[", 7) + strings.Repeat("]", 7), strings.Repeat("[", 40) + strings.Repeat("]", 40), strings.Repeat(`{"a":`, 12) + "1" + strings.Repeat("}", 12),
	}
	for _, n := range []int{31, 32, 33, 70} {
		members := make([]string, n)
		for i := range members {
			members[n-1-i] = fmt.Sprintf(`"k%d":%d`, i, i)
		}
		list = append(list, `{`+strings.Join(members, ` , `)+`}`)
	}
	return append(list, strangeNumbers()...)
}

func strangeNumbers() []string {
	list := []string{
		`0`, `-0`, `0.0`, `-0.0`, `1.0`, `1.10`, `10`, `100.001`, `0.1`, `0.05`, `0.000001`, `0.0000001`, `-0.5`, `1e0`, `1E2`, `1e21`, `1e-7`, `1e400`, `-1e400`, `123456789012345`, `1234567890123456`,
		`9007199254740993`, `999999999999999999999`, `1000000000000000000000`, `12345.6789012345`, `123456.7890123456`, `0.1234567890123456`, `52.520008`, `-179.999999`, `0.30000000000000004`, `5e-324`, `4.35`, `333333333.33333329`,
	}
	for e := -25; e < 25; e++ {
		list = append(list, fmt.Sprintf("%.*f", max(0, -e), math.Pow10(e)), fmt.Sprintf("%.*f", max(0, 2-e), 1.37*math.Pow10(e)))
	}
	return list
}

func TestContentHashIsThatOfTheLibrarysCanonicalForm(t *testing.T) {
	t.Parallel()
	for _, value := range strange() {
		for _, body := range []string{value, ` { "v" : ` + value + " ,\n\t\"a\": [" + value + `]}`, `{"v":[` + value + `,` + value + `],"` + value + `":0}`} {
			sameHash(t, body)
		}
	}
}

func TestContentHashOfAnyDocumentIsThatOfTheLibrarysCanonicalForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { sameHash(t, drawText(t, 4)) })
}

// drawText draws JSON as all kinds of programs write it, and now and then
// something that is none.
func drawText(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n\t"})
	kinds := 6
	if depth > 0 {
		kinds = 10
	}
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom(strange()).Draw(t, "strange")
	case 1:
		return strconv.FormatInt(rapid.Int64().Draw(t, "integer"), 10)
	case 2:
		format := rapid.SampledFrom([]byte("feg")).Draw(t, "format")
		return strconv.FormatFloat(rapid.Float64().Draw(t, "float"), format, rapid.IntRange(-1, 17).Draw(t, "digits"), 64)
	case 3:
		return rapid.StringMatching(`-?[0-9]{1,4}(\.[0-9]{1,14})?`).Draw(t, "decimal")
	case 4:
		return drawString(t)
	case 5:
		return rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "literal")
	case 6:
		return `"` + rapid.StringMatching(`[ -~]{0,12}`).Draw(t, "plain") + `"`
	case 7:
		items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return drawText(t, depth-1) }), 0, 4).Draw(t, "items")
		return "[" + strings.Join(items, space.Draw(t, "space")+",") + "]"
	default:
		members := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return drawString(t) + space.Draw(t, "space") + ":" + space.Draw(t, "space") + drawText(t, depth-1)
		}), 0, 6).Draw(t, "members")
		return "{" + strings.Join(members, ","+space.Draw(t, "space")) + space.Draw(t, "space") + "}"
	}
}

// drawString draws text, short more often than not, so that names meet.
func drawString(t *rapid.T) string {
	s := rapid.OneOf(rapid.StringMatching(`[a-cA-C_ !#]{0,3}`), rapid.StringMatching(`[a-z_]{1,9}`), rapid.String()).Draw(t, "text")
	quoted, err := json.Marshal(s)
	if err != nil || rapid.IntRange(0, 9).Draw(t, "escaped") > 0 {
		return string(quoted)
	}
	return strconv.QuoteToASCII(s) // \u and \x: the latter is no JSON
}

func FuzzContentHash(f *testing.F) {
	for _, body := range strange() {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) { sameHash(t, body) })
}

// What the vocabulary's events say is hashed the short way, without memory.
func TestContentHashOfPlainDataTakesNoMemory(t *testing.T) {
	for _, typ := range events.Types() {
		e := sampleEvent(t, typ)
		m, err := events.Encode(e)
		if err != nil {
			t.Fatalf("Encode(%s): %v", typ, err)
		}
		e.Body = m.Value
		if n := testing.AllocsPerRun(10, func() { _, err = e.ContentHash() }); n > 0 && len(e.Body) < 900 || err != nil {
			t.Errorf("hashing %s of %d bytes allocates %v times (%v)", typ, len(e.Body), n, err)
		}
	}
}

func BenchmarkContentHash(b *testing.B) {
	for _, typ := range []events.Type{events.TypeDeparted, events.TypeOrderPlaced} {
		e := sampleEvent(b, typ)
		m, err := events.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		e.Body = m.Value
		b.Run(string(typ), func(b *testing.B) {
			b.SetBytes(int64(len(e.Body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.ContentHash(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
