package main

import (
	"fmt"
	"strings"

	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// parkedJSON is a record that waits for a dead letter, for programs.
type parkedJSON struct {
	ID          string `json:"id"`
	Type        string `json:"type,omitzero"`
	TimestampMS *int64 `json:"timestamp_ms,omitzero"`
	Class       string `json:"class,omitzero"` // of one that could not be applied either when it came
	Message     string `json:"message,omitzero"`
}

// unparkedJSON is what became of the records that had waited for a dead letter.
type unparkedJSON struct {
	Applied  int    `json:"applied"`
	Waiting  int    `json:"waiting"`
	Head     string `json:"head,omitzero"` // which of them the others wait for now
	Class    string `json:"class,omitzero"`
	SQLState string `json:"sqlstate,omitzero"`
	Message  string `json:"message,omitzero"`
}

func parkedOf(behind []projector.Poison) []parkedJSON {
	list := make([]parkedJSON, len(behind))
	for i := range behind {
		b := &behind[i]
		list[i] = parkedJSON{ID: placeOf(b).String(), Type: headerOf(b, "ce_type"), Class: b.Code, Message: b.Message}
		if !b.Time.IsZero() {
			ms := b.Time.UnixMilli()
			list[i].TimestampMS = &ms
		}
	}
	return list
}

// unparkedOf is nil when nothing had waited.
func unparkedOf(u *readmodel.Unparked) *unparkedJSON {
	if *u == (readmodel.Unparked{}) {
		return nil
	}
	j := &unparkedJSON{Applied: u.Applied, Waiting: u.Waiting}
	if u.Head != nil {
		j.Head, j.Class, j.SQLState, j.Message = placeOf(u.Head).String(), u.Head.Code, u.Head.SQLState, u.Head.Message
	}
	return j
}

func placeOf(p *projector.Poison) readmodel.Place {
	return readmodel.Place{Partition: p.Partition, Offset: p.Offset}
}

func headerOf(p *projector.Poison, name string) string {
	for _, h := range p.Headers {
		if h.Key == name {
			return strings.ToValidUTF8(string(h.Value), "\uFFFD")
		}
	}
	return ""
}

// waiting is how many records wait for a letter, as a column.
func waiting(l *readmodel.Letter) string {
	if !l.Parks {
		return "-"
	}
	return fmt.Sprint(l.Waiting)
}

// behind prints the records that wait for a letter, a line each.
func (p *letterPrinter) behind(l *readmodel.Letter, list []projector.Poison) {
	if !l.Parks {
		return
	}
	p.printf("%-10s %d records of this key\n", "waiting", l.Waiting)
	for i := range list {
		line := fmt.Sprintf("%d %s %s %s", list[i].Offset, stamp(list[i].Time), plain(headerOf(&list[i], "ce_type")), plain(list[i].Code))
		p.printf("  > %s\n", strings.Join(strings.Fields(line), "  "))
	}
	if more := l.Waiting - len(list); more > 0 {
		p.printf("  > and %d more\n", more)
	}
}

// unparked prints what became of the records that had waited.
func (p *letterPrinter) unparked(id string, u *unparkedJSON) {
	if u.Applied > 0 || u.Head == "" {
		p.printf("%s\t%d behind it applied\n", id, u.Applied)
	}
	switch {
	case u.Head != "":
		p.printf("%s\tthen poison: %s\t%s: %s\n", id, u.Head, plain(u.Class), plain(u.Message))
		p.printf("%s\t%d wait for that now\n", id, u.Waiting)
	case u.Waiting > 0:
		p.printf("%s\t%d more behind those\n", id, u.Waiting)
	}
}
