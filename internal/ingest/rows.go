package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybill-io/waybill/events"
)

// rows turns the rows of one table into events.
type rows struct {
	m   *Mapping
	at  []int // by slot
	doc []byte
}

// events makes the events of a row, in the order of the mapping, or says what is
// wrong with it.
func (r *rows) events(fields []string, now time.Time) ([]events.Event, []Problem) {
	in := &row{fields: fields, at: r.at, empty: r.m.empty}
	var made []events.Event
	var problems []Problem
	for _, e := range r.m.events {
		if !e.when(in) {
			continue
		}
		it, p := r.event(e, in, now)
		if p == nil {
			made = append(made, it)
		} else if !slices.Contains(problems, *p) {
			problems = append(problems, *p)
		}
	}
	return made, problems
}

func (r *rows) event(e *mappedEvent, in *row, now time.Time) (events.Event, *Problem) {
	doc, wrong := e.document(r.doc[:0], r.m, in)
	if wrong != nil {
		return events.Event{}, r.problem(e, wrong.slot, wrong.reason)
	}
	r.doc = doc
	made, err := events.Parse(doc, now)
	if err == nil {
		return made, nil
	}
	if refused, ok := errors.AsType[*events.Error](err); ok {
		slot, _ := e.place(r.m, refused.Field)
		return events.Event{}, r.problem(e, slot, refused.Error())
	}
	return events.Event{}, r.problem(e, -1, err.Error())
}

func (r *rows) problem(e *mappedEvent, slot int, reason string) *Problem {
	if slot < 0 {
		return &Problem{Reason: fmt.Sprintf("%s: %s", e.typ, reason)}
	}
	return &Problem{Column: r.at[slot] + 1, Name: r.m.uses[slot], Reason: fmt.Sprintf("%s: %s", e.typ, reason)}
}

// document writes the event in CloudEvents structured mode.
func (e *mappedEvent) document(doc []byte, m *Mapping, in *row) ([]byte, *bad) {
	at, problem := required(e.time, in)
	if problem != nil {
		return nil, problem
	}
	known := at
	if e.recorded != nil {
		if known, problem = required(e.recorded, in); problem != nil {
			return nil, problem
		}
	}
	doc = append(doc, `{"specversion":"1.0","type":"`...)
	doc = append(doc, e.typ...)
	doc = append(doc, '"')
	for _, attr := range []struct {
		name  string
		value *template
	}{{"id", e.id}, {"source", m.source}, {"subject", e.subject}} {
		doc = append(doc, `,"`+attr.name+`":`...)
		var ok bool
		if doc, ok, problem = (phrase{attr.value}).append(doc, in); problem != nil {
			return nil, problem
		}
		if !ok {
			_, slot, _ := attr.value.text(in)
			return nil, &bad{slot, "is empty, and the event's " + attr.name + " needs it"}
		}
	}
	doc = append(doc, `,"tenantid":`...)
	doc, _ = jsontext.AppendQuote(doc, cmpOr(m.tenant, in.sample)) // a tenant that is no text is refused when it is parsed
	doc = stamp(doc, "time", at)
	doc = stamp(doc, "recordedtime", known)
	doc = append(doc, `,"data":`...)
	doc, problem = e.appendData(doc, in, at)
	return append(doc, '}'), problem
}

// cmpOr is the tenant, or one for a rehearsal.
func cmpOr(tenant string, sample bool) string {
	if tenant == "" && sample {
		return sampleText
	}
	return tenant
}

// required reads a time that the event cannot do without.
func required(m *moment, in *row) (time.Time, *bad) {
	t, ok, problem := m.at(in)
	if problem == nil && !ok {
		problem = &bad{m.slots[0], "is empty, and the event needs its time"}
	}
	return t, problem
}

func stamp(doc []byte, name string, t time.Time) []byte {
	doc = append(doc, `,"`+name+`":"`...)
	doc = t.UTC().AppendFormat(doc, time.RFC3339Nano)
	return append(doc, '"')
}

// appendData writes the data, and when the event occurred.
func (e *mappedEvent) appendData(doc []byte, in *row, at time.Time) ([]byte, *bad) {
	doc = append(doc, `{"occurred_at":"`...)
	doc = at.AppendFormat(doc, time.RFC3339Nano)
	doc = append(doc, '"')
	if tz := e.time.tz(); tz != events.TZOffset {
		doc = append(doc, `,"tz_source":"`+string(tz)+`"`...)
	}
	if e.precision != "" {
		doc = append(doc, `,"time_precision":`...)
		doc, _ = jsontext.AppendQuote(doc, e.precision) // from a YAML text
	}
	begin := len(doc)
	doc, ok, problem := e.data.append(doc, in)
	switch {
	case problem != nil:
		return nil, problem
	case !ok || len(doc) == begin+2: // nothing, or {}
		return append(doc[:begin], '}'), nil
	default:
		doc[begin] = ',' // where the object's brace stands
		return doc, nil
	}
}

// place finds what a field of an event is made of: the column, or -1, and the
// piece of the mapping.
func (e *mappedEvent) place(m *Mapping, field string) (slot int, at value) {
	switch field {
	case "id":
		return e.id.slot(), phrase{e.id}
	case "subject":
		return e.subject.slot(), phrase{e.subject}
	case "source":
		return m.source.slot(), phrase{m.source}
	case "time", "/data/occurred_at":
		return e.time.slots[0], e.data
	}
	pointer, ok := strings.CutPrefix(field, "/data")
	if !ok {
		return -1, e.data
	}
	v, exact := find(e.data, pointer)
	if !exact {
		return -1, v
	}
	return v.slot(), v
}

// rehearse makes every event of a row that has a value in each column, and
// reports what would be wrong with it whatever the values are.
func (b *builder) rehearse() {
	in := &row{sample: true}
	for _, e := range b.m.events {
		doc, problem := e.appendData(nil, in, sampleTime)
		if problem != nil {
			b.at(e.data.at, "%s: %s", e.typ, problem.reason)
			continue
		}
		data, err := events.NewData(e.typ)
		if err == nil {
			err = json.Unmarshal(doc, data, json.RejectUnknownMembers(true))
		}
		if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
			v, _ := find(e.data, string(semantic.JSONPointer))
			reason := "is no value of this field"
			if errors.Is(semantic.Err, json.ErrUnknownName) {
				reason = "is not a field of this type"
			}
			b.at(v.pos(), "%s: /data%s: %s", e.typ, semantic.JSONPointer, reason)
			continue
		}
		if err != nil {
			b.at(e.data.at, "%s: %v", e.typ, err)
			continue
		}
		b.rehearseEnvelope(e, in)
	}
}

// rehearseEnvelope reports what the vocabulary refuses and no column decides.
func (b *builder) rehearseEnvelope(e *mappedEvent, in *row) {
	doc, problem := e.document(nil, b.m, in)
	if problem != nil {
		b.at(e.data.at, "%s: %s", e.typ, problem.reason)
		return
	}
	_, err := events.Parse(doc, sampleTime)
	refused, ok := errors.AsType[*events.Error](err)
	if !ok {
		return
	}
	if slot, v := e.place(b.m, refused.Field); slot < 0 {
		b.at(v.pos(), "%s: %s", e.typ, refused.Error())
	}
}
