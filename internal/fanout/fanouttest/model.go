// Package fanouttest has what the tests of the live path share: a read model in
// memory, and a client that holds the server to the protocol.
package fanouttest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/fanout"
)

// ErrAway is what a Model answers while it is away.
var ErrAway = errors.New("read model is away")

// Model is a read model in memory: a Feed and Snapshots whose rows the test
// changes. It may be used from any goroutine.
type Model struct {
	// Latency is slept in every read, after its moment. Set it before use.
	Latency time.Duration

	mu      sync.Mutex
	tenants map[events.TenantID]*book
	away    bool
	broken  int // snapshots that are going to fail
	hint    chan struct{}
	reads   int
	whole   int
	logs    int
}

// book is one tenant.
type book struct {
	epoch     string
	seq, low  int64
	committed time.Time
	rows      map[entity]fanout.Row
	changes   []fanout.Change
	facts     []told
	alerts    map[string][]fanout.LogEntry // by epoch
}

type entity struct {
	topic fanout.Topic
	id    string
}

// NewModel returns a model of no tenants.
func NewModel() *Model {
	return &Model{tenants: make(map[events.TenantID]*book), hint: make(chan struct{}, 1)}
}

// Put commits rows in one transaction. A row is not to be changed afterwards.
func (m *Model) Put(tenant events.TenantID, rows ...fanout.Row) {
	m.commit(tenant, func(b *book) {
		for _, r := range rows {
			b.change(entity{r.Topic(), r.Key()}, r)
		}
	})
}

// Delete commits that an entity is gone.
func (m *Model) Delete(tenant events.TenantID, topic fanout.Topic, id string) {
	m.commit(tenant, func(b *book) { b.change(entity{topic, id}, nil) })
}

// Prune forgets all changes but the newest keep.
func (m *Model) Prune(tenant events.TenantID, keep int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.book(tenant)
	if drop := len(b.changes) - keep; drop > 0 {
		b.changes = slices.Clone(b.changes[drop:])
		b.low += int64(drop)
	}
}

// Rebuild gives the tenant a new epoch, in which everything is numbered anew.
func (m *Model) Rebuild(tenant events.TenantID, epoch string, seq int64) {
	m.mu.Lock()
	b := m.book(tenant)
	b.epoch, b.seq, b.low, b.changes = epoch, seq, seq, nil
	m.mu.Unlock()
	m.Hint()
}

// SetAway makes every read fail, or succeed again.
func (m *Model) SetAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

// SetBroken makes the next snapshots fail, while changes can be read.
func (m *Model) SetBroken(snapshots int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = snapshots
}

// Reads counts how often changes and snapshots were read.
func (m *Model) Reads() (changes, snapshots int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads, m.whole
}

// Rows returns the rows of a topic that want says yes to, by id.
func (m *Model) Rows(tenant events.TenantID, topic fanout.Topic, want func(fanout.Row) bool) map[string]fanout.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]fanout.Row)
	for e, r := range m.book(tenant).rows {
		if e.topic == topic && want(r) {
			out[e.id] = r
		}
	}
	return out
}

// Position is where the tenant stands.
func (m *Model) Position(tenant events.TenantID) fanout.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.book(tenant)
	return fanout.Position{Epoch: b.epoch, Seq: b.seq}
}

// Hint makes Wait return.
func (m *Model) Hint() {
	select {
	case m.hint <- struct{}{}:
	default:
	}
}

// Changes implements [fanout.Feed].
func (m *Model) Changes(ctx context.Context, after map[events.TenantID]fanout.Position) ([]fanout.Delta, error) {
	m.mu.Lock()
	m.reads++
	away := m.away
	var out []fanout.Delta
	for id, at := range after {
		b := m.tenants[id]
		if b != nil && at != (fanout.Position{Epoch: b.epoch, Seq: b.seq}) {
			out = append(out, b.since(id, at))
		}
	}
	m.mu.Unlock()
	if away {
		return nil, ErrAway
	}
	return out, pause(ctx, m.Latency)
}

// Wait implements [fanout.Feed].
func (m *Model) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-m.hint:
		return nil
	}
}

// Snapshot implements [fanout.Snapshots].
func (m *Model) Snapshot(ctx context.Context, q fanout.Query, page func([]fanout.Row) error) (fanout.Position, error) {
	m.mu.Lock()
	m.whole++
	away := m.away || m.broken > 0
	m.broken = max(0, m.broken-1)
	b := m.book(q.Tenant)
	at := fanout.Position{Epoch: b.epoch, Seq: b.seq}
	rows := b.answer(q)
	m.mu.Unlock()
	if away {
		return fanout.Position{}, ErrAway
	}
	for chunk := range slices.Chunk(rows, max(q.PageSize, 1)) {
		if err := pause(ctx, m.Latency); err != nil {
			return fanout.Position{}, err
		}
		if err := page(chunk); err != nil {
			return fanout.Position{}, err
		}
	}
	return at, nil
}

func (m *Model) commit(tenant events.TenantID, change func(*book)) {
	m.mu.Lock()
	b := m.book(tenant)
	change(b)
	b.committed = time.Now()
	m.mu.Unlock()
	m.Hint()
}

func (m *Model) book(tenant events.TenantID) *book {
	b := m.tenants[tenant]
	if b == nil {
		b = &book{epoch: "e1", rows: make(map[entity]fanout.Row), alerts: make(map[string][]fanout.LogEntry)}
		m.tenants[tenant] = b
	}
	return b
}

func (b *book) change(e entity, r fanout.Row) {
	b.seq++
	b.changes = append(b.changes, fanout.Change{Seq: b.seq, Topic: e.topic, ID: e.id})
	if r == nil {
		delete(b.rows, e)
	} else {
		b.rows[e] = r
	}
}

func (b *book) since(id events.TenantID, at fanout.Position) fanout.Delta {
	d := fanout.Delta{
		Tenant: id, To: fanout.Position{Epoch: b.epoch, Seq: b.seq}, Low: b.low, CommittedAt: b.committed,
	}
	if at.Epoch != b.epoch || at.Seq < b.low {
		return d
	}
	d.Changes = slices.Clone(b.changes[at.Seq-b.low:])
	seen := make(map[entity]bool)
	for _, c := range d.Changes {
		e := entity{c.Topic, c.ID}
		if r, ok := b.rows[e]; ok && !seen[e] {
			d.Rows = append(d.Rows, r)
		}
		seen[e] = true
	}
	return d
}

func (b *book) answer(q fanout.Query) []fanout.Row {
	switch q.Topic {
	case fanout.Timeline:
		return b.timeline(q.Of)
	case fanout.KPIs:
		return b.counts()
	default:
		return b.wanted(q)
	}
}

// wanted narrows by status and id, as SQL does, and leaves the rest to the filter.
func (b *book) wanted(q fanout.Query) []fanout.Row {
	byID := func(x, y fanout.Row) int { return cmp.Compare(x.Key(), y.Key()) }
	var out []fanout.Row
	for e, r := range maps.All(b.rows) {
		statuses, ids := q.Among["status"], q.Among["id"]
		narrow := (statuses == nil || slices.Contains(statuses, r.StatusName())) && (ids == nil || slices.Contains(ids, e.id))
		if e.topic == q.Topic && narrow {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, byID)
	return out
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
