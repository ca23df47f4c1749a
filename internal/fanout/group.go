package fanout

import "time"

// group is all live subscriptions that want the same rows at the same pace. It
// evaluates the filter and encodes each delta once for them all. It belongs to
// the hub's lock.
type group struct {
	shared
	subs map[*sub]struct{}

	// match holds the ids that match as of the tenant's position. When it is not
	// complete, because every member resumed and nobody read a snapshot, an id
	// without an entry is one that nothing is known of; then false says that it
	// is known not to match.
	match    map[string]bool
	complete bool

	// What is gathered for the next delta, newest entry of an entity first found.
	index   map[string]int
	entries []entry
	at      time.Time // when the newest of it was committed

	q    int64     // published up to here, silence included
	told int64     // the q of the last batch
	next time.Time // not before then
}

func newGroup(s shared, at int64, now time.Time) *group {
	return &group{
		shared: s, subs: make(map[*sub]struct{}), match: make(map[string]bool), index: make(map[string]int),
		q: at, told: at, next: now,
	}
}

// apply puts a change through the filter. An entity that stopped matching is
// said to be removed once.
func (g *group) apply(c tally, at time.Time) {
	if !g.concerns(c) {
		return
	}
	if g.wants(c) {
		g.match[c.id] = true
		g.gather(g.put(c), at)
		return
	}
	was, known := g.match[c.id]
	if was || !known && !g.complete {
		g.gather(g.remove(c), at)
	}
	g.learn(c, false)
}

// concerns reports whether the group may know of the change at all. An entity
// that its filter never wants is none of which its clients have anything.
func (g *group) concerns(c tally) bool {
	return c.topic == g.topic && g.scope.covers(c.key) && !g.filter.never(c.id)
}

// put says that an entity matches, remove that it does not.
func (g *group) put(c tally) entry {
	return entry{id: g.scope.name(c.id), seq: c.seq, n: c.n, row: g.scope.json(c.change)}
}

func (g *group) remove(c tally) entry {
	return entry{id: g.scope.name(c.id), seq: c.seq, n: c.n}
}

func (g *group) wants(c tally) bool { return c.row != nil && g.filter.Match(c.row) }

// learn notes whether an id matches.
func (g *group) learn(c tally, matches bool) {
	if matches || !g.complete {
		g.match[c.id] = matches
	} else {
		delete(g.match, c.id)
	}
}

// gather keeps an entry for the next delta; newer replaces older.
func (g *group) gather(e entry, at time.Time) {
	g.at = at
	if i, ok := g.index[e.id]; ok {
		e.n += g.entries[i].n
		g.entries[i] = e
		return
	}
	g.index[e.id] = len(g.entries)
	g.entries = append(g.entries, e)
}

// publish hands what was gathered up to hi to the subscriptions.
func (g *group) publish(hi int64, now time.Time) {
	b := newBatch(g.topic, g.told, hi, g.at, g.entries)
	g.entries, g.index = nil, make(map[string]int)
	g.q, g.told, g.next = hi, hi, now.Add(g.interval)
	for s := range g.subs {
		s.conn.offer(s, b)
	}
}

// gathered reports whether a delta waits to be published.
func (g *group) gathered() bool { return len(g.entries) > 0 }

// join makes s a member as of hi, with the changes since its snapshot, and
// returns what those mean for it.
func (g *group) join(s *sub, since []tally, hi int64, at time.Time) *batch {
	match := make(map[string]bool, len(s.whole.ids))
	for id := range s.whole.ids {
		match[id] = true
	}
	var entries []entry
	for _, c := range since {
		switch {
		case !g.concerns(c):
		case g.wants(c):
			match[c.id] = true
			entries = append(entries, g.put(c))
		case match[c.id]:
			delete(match, c.id)
			entries = append(entries, g.remove(c))
		}
	}
	if !g.complete {
		g.match, g.complete = match, true
	}
	g.subs[s] = struct{}{}
	return newBatch(g.topic, s.whole.at.Seq, hi, at, entries)
}

// resume makes s a member as of hi. Which rows its client has is not known, so
// every changed one that does not match, and may have matched, is removed.
func (g *group) resume(s *sub, since []tally, hi int64, at time.Time) *batch {
	var entries []entry
	for _, c := range since {
		if !g.concerns(c) {
			continue
		}
		e, wants := g.remove(c), g.wants(c)
		if wants {
			e = g.put(c)
		}
		if !g.complete {
			g.learn(c, wants)
		}
		entries = append(entries, e)
	}
	g.subs[s] = struct{}{}
	return newBatch(g.topic, s.since.Seq, hi, at, entries)
}
