package carriers

import (
	"io"
	"iter"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Message is one unit of a foreign file: a transaction of X12, a document of
// JSON.
type Message struct {
	Line     int            // where it begins, from 1
	Raw      []byte         // a file of its own that holds it, valid until the next message
	Events   []events.Event // in the order of the message
	Problems []Problem      // why it is refused; Events is empty then
}

// Problem says what is wrong with a message.
type Problem struct {
	Line   int    // from 1; 0 where the file as a whole is meant
	Place  string // an element such as AT7-05, or a JSON pointer; may be empty
	Reason string
}

// FormatError ends a file: what follows cannot be read.
type FormatError struct{ Problem }

// Error names the place and the reason.
func (e *FormatError) Error() string {
	if e.Place == "" {
		return e.Reason
	}
	return e.Place + ": " + e.Reason
}

// parser reads a format. Problems of one message are in the message; an error
// ends the file and is a [*FormatError] where the content is to blame.
type parser func(r io.Reader, p *Profile) iter.Seq2[message, error]

// message is what a parser makes of one unit of a file.
type message struct {
	line     int
	raw      []byte // as [Message.Raw]
	id       string // how the sender calls it, for correlationid; may be empty
	reports  []report
	problems []Problem
}

// report is what a message says of one tracking number at one time, before a
// profile says what it means.
type report struct {
	line  int
	place string // where it stands, as in [Problem.Place]

	carrier string // as the message names it; empty for the profile's own
	number  string // as it is written

	status, reason, partner string // codes
	text                    string // in words

	at    wall // when it happened, or is to happen
	known wall // when the sender knew, as far as the message says
	from  wall // the first moment, where at is the last one of a window

	confidence *float64 // of an estimate, from 0 to 1

	// Of what is expected: the greater of two texts is preferred. At most 20
	// letters, digits and dots.
	prefer string

	where    *events.Location // the country as ISO 3166-1 alpha-2
	facility string
	mode     string
}

// wall is a time as a message writes it.
type wall struct {
	clock     time.Time // what the clock showed, in UTC; with offset, the instant
	offset    bool      // the message writes the offset
	zone      string    // a code such as MT, where the message has one
	precision events.Precision
}

func (w wall) isZero() bool { return w.clock.IsZero() }

// Messages reads a file. The events are the tenant's and are stamped as ingested
// at now. An error ends the file and is a [*FormatError] where its content is to
// blame.
func (p *Profile) Messages(r io.Reader, tenant events.TenantID, now time.Time) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for m, err := range p.parse(r, p) {
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(p.translate(m, tenant, now), nil) {
				return
			}
		}
	}
}

// translate gives a message its meaning, or says why it has none.
func (p *Profile) translate(m message, tenant events.TenantID, now time.Time) Message {
	out := Message{Line: m.line, Raw: m.raw, Problems: m.problems}
	seen := make(map[string]int, len(m.reports)) // some senders tell a scan twice
	for _, r := range m.reports {
		made, problem := p.events(r, m.id, tenant, now)
		if problem != nil {
			out.Problems = append(out.Problems, *problem)
			continue
		}
		for _, e := range made {
			said := string(e.ID[strings.LastIndexByte(string(e.ID), '-')+1:])
			if i, twice := seen[said]; twice {
				out.Events[i].ID = max(out.Events[i].ID, e.ID) // of estimates: the one that is preferred
				continue
			}
			seen[said] = len(out.Events)
			out.Events = append(out.Events, e)
		}
	}
	if len(out.Problems) > 0 {
		out.Events = nil
	}
	return out
}
