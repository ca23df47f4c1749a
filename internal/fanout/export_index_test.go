package fanout

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Groups is the groups of a tenant without connections, told of changes by the
// index or one by one.
type Groups struct {
	tenant *tenant
	plain  bool
	subs   []*sub
}

// NewGroups returns no groups; plain ones are told one by one.
func NewGroups(plain bool) *Groups {
	t := newTenant("acme")
	t.start(Position{Epoch: "e1"})
	return &Groups{tenant: t, plain: plain}
}

// Resume adds a subscription that was live at seq and returns its number.
func (g *Groups) Resume(topic Topic, filter Filter, seq int64) int {
	s := g.sub(topic, filter)
	s.since = &Since{Epoch: "e1", Seq: max(seq, g.tenant.ring.low)}
	s.group = g.tenant.group(s, time.Time{})
	s.group.resume(s, g.tenant.ring.after(s.since.Seq, topic), g.tenant.at.Seq, time.Time{})
	return len(g.subs) - 1
}

// Join adds a subscription with a snapshot of now and returns its number.
func (g *Groups) Join(topic Topic, filter Filter, rows ...Row) int {
	s := g.sub(topic, filter)
	s.whole = &snapshot{at: g.tenant.at, ids: make(map[string]struct{})}
	for _, r := range rows {
		if r.Topic() == topic && filter.Match(r) {
			s.whole.ids[r.Key()] = struct{}{}
		}
	}
	s.group = g.tenant.group(s, time.Time{})
	s.group.join(s, nil, g.tenant.at.Seq, time.Time{})
	g.tenant.index.add(s.group)
	return len(g.subs) - 1
}

func (g *Groups) sub(topic Topic, filter Filter) *sub {
	s := &sub{shared: shared{key: string(topic) + filter.Canonical(), question: question{topic: topic, filter: filter}}}
	g.subs = append(g.subs, s)
	return s
}

// Position is the newest seq.
func (g *Groups) Position() int64 { return g.tenant.at.Seq }

// Leave ends a subscription.
func (g *Groups) Leave(i int) { g.tenant.leave(g.subs[i]) }

// Commit tells the groups of changes; nil in rows is of what is gone.
func (g *Groups) Commit(keys []Change, rows []Row) {
	t := g.tenant
	from := t.at.Seq
	for i := range keys {
		keys[i].Seq = from + int64(i) + 1
	}
	d := Delta{To: Position{Epoch: "e1", Seq: from + int64(len(keys))}, Changes: keys, Rows: rows}
	if !g.plain {
		t.advance(d, from, 10_000)
		return
	}
	t.at = d.To
	for _, c := range t.ring.add(keys, rows, from) {
		for _, group := range t.groups {
			group.apply(c, time.Time{})
		}
	}
	t.ring.trim(10_000)
}

// Take returns what the groups have gathered, in words, and forgets it.
func (g *Groups) Take() []string {
	var out []string
	for _, group := range g.tenant.groups {
		var b strings.Builder
		for _, e := range group.entries {
			fmt.Fprintf(&b, " %s@%d*%d %s", e.id, e.seq, e.n, e.row)
		}
		fmt.Fprintf(&b, " of %d", len(group.match))
		out = append(out, group.key+b.String())
		group.entries, group.index = nil, make(map[string]int)
	}
	slices.Sort(out)
	return out
}

// Publish is one turn of the loop.
func (g *Groups) Publish(now time.Time) { g.tenant.publish(now, time.Hour, 1<<40) }

// Wide counts the groups that hear of every change, Filed all.
func (g *Groups) Wide() (wide, filed int) {
	for _, s := range g.tenant.index.shelves {
		wide += len(s.wide)
	}
	return wide, len(g.tenant.index.files)
}

// Clean reports what the index still holds when there are no groups.
func (g *Groups) Clean() (left int) {
	for _, s := range g.tenant.index.shelves {
		left += len(s.wide) + len(s.holders)
		for _, byText := range s.named {
			left += len(byText)
		}
	}
	return left + len(g.tenant.index.files)
}
