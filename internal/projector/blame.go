package projector

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fault"
)

// The classes of dead letters that this package gives, beside the codes of
// package events.
const (
	codeWrongPartition events.Code = "wrong_partition" // its key belongs on another partition
	codeUpgrade        events.Code = "upgrade_needed"  // a newer version of a type that we know
	classConstraint                = "constraint"      // the store refuses it
	classPanic                     = "panic"           // this program trips over it
	classKills                     = "kills_process"   // process after process ended with it in hand
	classUndecodable               = "undecodable"     // for no reason that has a code
	classConflict                  = "id_conflict"     // the store's: another content under a stored identity
)

// panicTries is how often a record may panic before it becomes a dead letter.
const panicTries = 3

// panicError is a panic that was caught with records in hand.
type panicError struct {
	value any
}

// Error names what was panicked with.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// catch makes an error of a panic.
func (p *Projector) catch(err *error) {
	value := recover()
	if value == nil {
		return
	}
	p.cfg.Metrics.panics.Inc()
	p.log.Error("panic with records in hand", "panic", value, "stack", string(debug.Stack()))
	*err = &panicError{value}
}

// storeApply applies a batch, once.
func (w *worker) storeApply(ctx context.Context, b Batch) (applied Applied, err error) {
	defer w.catch(&err)
	ctx, cancel := context.WithTimeout(ctx, w.cfg.ApplyTimeout)
	defer cancel()
	b.touch()
	return w.store.Apply(ctx, b)
}

// touch comes by with each record that is about to be applied.
func (b *Batch) touch() {
	for i := range b.Events {
		fault.At("applying", b.Events[i].Record.Offset)
	}
}

// isData reports that a record of the batch is to blame, not the store.
func isData(err error) bool {
	_, refused := errors.AsType[*DataError](err)
	_, panicked := errors.AsType[*panicError](err)
	return refused || panicked
}

// blame makes a dead letter of the only event of a batch. One that panics gets
// further tries: what it tripped over may have been a neighbour's.
func (w *worker) blame(ctx context.Context, b Batch, cause error) error {
	p := Poison{Record: *b.Events[0].Record, Code: classConstraint, Message: cause.Error()}
	if data, ok := errors.AsType[*DataError](cause); ok {
		p.SQLState = data.SQLState
	} else {
		p.Code = classPanic
		for range panicTries - 1 {
			if cause = w.applyTrying(ctx, b); !isData(cause) {
				return cause
			}
		}
	}
	b.Poison = append(b.Poison, p)
	b.Events = nil
	return w.applyBatch(ctx, b)
}

// newerOr returns err, or, when the record is of a newer version of a type that
// this program knows, an error that says so.
func newerOr(r *Record, err error) error {
	if events.CodeOf(err) != events.CodeUnknownType {
		return err
	}
	typ := typeOf(r)
	name, version, ok := cutVersion(typ)
	if !ok {
		return err
	}
	const versions = 20 // of a type, at most
	for v := min(version-1, versions); v > 0; v-- {
		if _, unknown := events.NewData(events.Type(name + strconv.Itoa(v))); unknown == nil {
			return &events.Error{Code: codeUpgrade, Field: "type", Detail: fmt.Sprintf("%.80q is newer than version %d, which this program knows", typ, v)}
		}
	}
	return err
}

// cutVersion parts "order.placed.v2" into "order.placed.v" and 2.
func cutVersion(typ string) (name string, version int, ok bool) {
	i := strings.LastIndex(typ, ".v")
	if i < 0 {
		return "", 0, false
	}
	version, err := strconv.Atoi(typ[i+2:])
	return typ[:i+2], version, err == nil
}

// typeOf reads a record's type without its data.
func typeOf(r *Record) string {
	for _, h := range r.Headers {
		if h.Key == "ce_type" {
			return string(h.Value)
		}
	}
	var envelope struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(r.Value, &envelope) // it was decoded before, as far as its type
	return envelope.Type
}

// haltsAt finds the first record of the batch that its partition must not move
// past.
func (w *worker) haltsAt(b *Batch) (halt *HaltError, at int64) {
	if !w.cfg.HaltOnNewer {
		return nil, 0
	}
	for i := range b.Poison {
		p := &b.Poison[i]
		if p.Code == string(codeUpgrade) {
			return &HaltError{p.Partition, string(codeUpgrade), fmt.Errorf("the record at %d: %s", p.Offset, p.Message)}, p.Offset
		}
	}
	return nil, 0
}

// cut leaves out what a partition has from an offset on. next is where the
// partition stands.
func (g *gathered) cut(part Partition, at, next int64) {
	kept := g.records[:0]
	for _, r := range g.records {
		if r.Partition != part || r.Offset < at {
			kept = append(kept, r)
		}
	}
	g.records = kept
	g.next[part] = at
	if at <= next {
		delete(g.next, part)
	}
}
