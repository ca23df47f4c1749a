package main

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// letterPrinter prints dead letters for people, or as a JSON object per line.
// What a record says cannot do anything to a terminal.
type letterPrinter struct {
	out, notes io.Writer
	json       bool

	table *tabwriter.Writer
	err   error // the first of writing
}

func (p *letterPrinter) printf(format string, args ...any) {
	_, err := fmt.Fprintf(p.out, format, args...)
	p.err = cmp.Or(p.err, err)
}

// flush writes what is left, and says what went wrong with writing.
func (p *letterPrinter) flush() error {
	if p.table != nil {
		p.err = errors.Join(p.err, p.table.Flush())
	}
	if p.err != nil {
		return fmt.Errorf("write the output: %w", p.err)
	}
	return nil
}

// none says that there is nothing to list, and what was asked for: a choice may
// come from a variable that somebody has forgotten.
func (p *letterPrinter) none(status string, c *letterChoice) {
	narrowed := ""
	if c.narrow() {
		narrowed = " that were chosen"
	}
	if c.Tenant != "" {
		narrowed += ", of tenant " + string(c.Tenant)
	}
	_, err := fmt.Fprintf(p.notes, "no dead letters%s, of status %s\n", narrowed, status)
	p.err = cmp.Or(p.err, err)
}

// more says that the limit has hidden something.
func (p *letterPrinter) more(n int) {
	if n > 0 {
		_, err := fmt.Fprintf(p.notes, "%d more; raise --limit to see them\n", n)
		p.err = cmp.Or(p.err, err)
	}
}

func (p *letterPrinter) list(l *readmodel.Letter) {
	if p.json {
		p.object(newLetterJSON(l))
		return
	}
	if p.table == nil {
		p.table = tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(p.table, "ID\tCLASS\tTRIES\tSTATUS\tWAITING\tKEPT\tKEY\tREASON") //nolint:errcheck // Flush tells
	}
	fmt.Fprintf(p.table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", //nolint:errcheck // Flush tells
		l.Place(), plain(l.Code), l.Attempts, l.Status, waiting(l), stamp(l.Kept), shortened(plain(string(l.Key)), 40), shortened(plain(l.Message), 80))
}

func (p *letterPrinter) show(l *readmodel.Letter, behind []projector.Poison) {
	if p.json {
		j := newLetterJSON(l)
		j.Parked = parkedOf(behind)
		j.Headers = headersOf(l.Headers)
		j.Value, j.ValueBase64 = textOrBase64(l.Value)
		p.object(j)
		return
	}
	line := func(name, value string) {
		if value != "" {
			p.printf("%-10s %s\n", name, value)
		}
	}
	p.printf("%s\n", l.Place())
	line("class", plain(l.Code))
	line("sqlstate", plain(l.SQLState))
	line("reason", plain(l.Message))
	line("tries", fmt.Sprint(l.Attempts))
	line("status", l.Status)
	line("settled", settled(l))
	line("kept", stamp(l.Kept))
	line("published", cmp.Or(stamp(l.Published), "not yet"))
	line("replayed", stamp(l.Tried))
	line("timestamp", stamp(l.Time))
	line("key", inline(l.Key))
	for _, h := range l.Headers {
		line("header", plain(h.Key)+" = "+inline(h.Value))
	}
	p.behind(l, behind)
	p.value(l.Value)
}

// value prints a value line by line, each behind a margin: it cannot pretend to
// be something that this command says.
func (p *letterPrinter) value(value []byte) {
	text, encoded := textOrBase64(value)
	switch {
	case text == nil && encoded == nil:
		p.printf("value      null\n\n")
		return
	case encoded != nil:
		p.printf("value      %d bytes, in base64\n  | %s\n\n", len(value), *encoded)
		return
	}
	p.printf("value      %d bytes\n", len(value))
	for row := range strings.SplitSeq(*text, "\n") {
		p.printf("  | %s\n", plain(row))
	}
	p.printf("\n")
}

func (p *letterPrinter) replayed(r *readmodel.Replayed, dry bool) {
	o := outcomeJSON{ID: r.Place.String(), Status: r.Status, DryRun: dry, Unparked: unparkedOf(&r.Behind)}
	switch {
	case r.Before:
		o.Outcome = "already " + r.Status
	case r.Refused != nil:
		o.Outcome, o.Class, o.SQLState, o.Message = "poison", r.Refused.Code, r.Refused.SQLState, r.Refused.Message
	case r.Known:
		o.Outcome = "duplicate"
	default:
		o.Outcome = "applied"
	}
	p.outcome(o)
}

func (p *letterPrinter) discarded(at readmodel.Place, d *readmodel.Discarded, dry bool) {
	o := outcomeJSON{ID: at.String(), Status: "discarded", Outcome: "discarded", DryRun: dry, Unparked: unparkedOf(&d.Behind)}
	if dry {
		o.Status = "new"
	}
	if !d.Done {
		o.Outcome, o.Status = "already settled", ""
	}
	p.outcome(o)
}

func (p *letterPrinter) outcome(o outcomeJSON) {
	if p.json {
		p.object(o)
		return
	}
	if o.DryRun {
		o.ID = "would: " + o.ID
	}
	if o.Class != "" {
		p.printf("%s\t%s\t%s: %s\n", o.ID, o.Outcome, plain(o.Class), plain(o.Message))
		return
	}
	p.printf("%s\t%s\n", o.ID, o.Outcome)
	if o.Unparked != nil {
		p.unparked(o.ID, o.Unparked)
	}
}

func (p *letterPrinter) object(v any) {
	doc, err := json.Marshal(v, json.Deterministic(true))
	p.err = cmp.Or(p.err, err)
	p.printf("%s\n", doc)
}

// letterJSON is a dead letter for programs. Bytes that are no text have their
// base64 in a field of its own.
type letterJSON struct {
	ID          string       `json:"id"`
	Topic       string       `json:"topic"`
	Partition   int32        `json:"partition"`
	Offset      int64        `json:"offset"`
	Class       string       `json:"class"`
	SQLState    string       `json:"sqlstate,omitzero"`
	Message     string       `json:"message"`
	Attempts    int          `json:"attempts"`
	Status      string       `json:"status"`
	KeptAt      time.Time    `json:"kept_at"`
	PublishedAt time.Time    `json:"published_at,omitzero"`
	TriedAt     time.Time    `json:"tried_at,omitzero"`
	SettledAt   time.Time    `json:"settled_at,omitzero"`
	SettledBy   string       `json:"settled_by,omitzero"`
	SettledWhy  string       `json:"settled_why,omitzero"`
	TimestampMS *int64       `json:"timestamp_ms,omitzero"` // as the log has it, whatever the year
	Key         *string      `json:"key,omitzero"`
	KeyBase64   *string      `json:"key_base64,omitzero"`
	Waiting     *int         `json:"waiting,omitzero"` // records of its key, if they wait for it
	Parked      []parkedJSON `json:"parked,omitzero"`  // the first of them
	Headers     []headerJSON `json:"headers,omitzero"`
	Value       *string      `json:"value,omitzero"`
	ValueBase64 *string      `json:"value_base64,omitzero"`
}

type headerJSON struct {
	Name        *string `json:"name,omitzero"`
	NameBase64  *string `json:"name_base64,omitzero"`
	Value       *string `json:"value,omitzero"`
	ValueBase64 *string `json:"value_base64,omitzero"`
}

type outcomeJSON struct {
	ID       string `json:"id"`
	Outcome  string `json:"outcome"`
	Status   string `json:"status,omitzero"`
	Class    string `json:"class,omitzero"`
	SQLState string `json:"sqlstate,omitzero"`
	Message  string `json:"message,omitzero"`
	DryRun   bool   `json:"dry_run,omitzero"`

	Unparked *unparkedJSON `json:"unparked,omitzero"`
}

func newLetterJSON(l *readmodel.Letter) letterJSON {
	j := letterJSON{
		ID: l.Place().String(), Topic: l.Partition.Topic, Partition: l.Partition.ID, Offset: l.Offset,
		Class: l.Code, SQLState: l.SQLState, Message: l.Message, Attempts: l.Attempts, Status: l.Status,
		KeptAt: l.Kept, PublishedAt: l.Published, TriedAt: l.Tried, SettledAt: l.Settled, SettledBy: l.By, SettledWhy: l.Why,
	}
	if !l.Time.IsZero() {
		ms := l.Time.UnixMilli()
		j.TimestampMS = &ms
	}
	if l.Parks {
		j.Waiting = &l.Waiting
	}
	j.Key, j.KeyBase64 = textOrBase64(l.Key)
	return j
}

func headersOf(headers []events.Header) []headerJSON {
	list := make([]headerJSON, len(headers))
	for i, h := range headers {
		list[i].Name, list[i].NameBase64 = textOrBase64([]byte(h.Key))
		list[i].Value, list[i].ValueBase64 = textOrBase64(h.Value)
	}
	return list
}

// textOrBase64 returns bytes as text when they are, else their base64; neither
// for none.
func textOrBase64(b []byte) (text, encoded *string) {
	if b == nil {
		return nil, nil
	}
	s := string(b)
	if utf8.Valid(b) && !strings.ContainsRune(s, 0) {
		return &s, nil
	}
	s = base64.StdEncoding.EncodeToString(b)
	return nil, &s
}

// inline is bytes on one line.
func inline(b []byte) string {
	text, encoded := textOrBase64(b)
	switch {
	case text != nil:
		return plain(*text)
	case encoded != nil:
		return "base64:" + *encoded
	}
	return "null"
}

// plain writes what is not to be seen, or would do something to a terminal, as
// escapes: control characters, changes of direction, bytes that are no text.
func plain(s string) string {
	var out strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&out, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// shortened cuts what is longer than a column.
func shortened(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func settled(l *readmodel.Letter) string {
	if l.Settled.IsZero() {
		return ""
	}
	s := stamp(l.Settled) + " by " + plain(l.By)
	if l.Why != "" {
		s += ": " + plain(l.Why)
	}
	return s
}
