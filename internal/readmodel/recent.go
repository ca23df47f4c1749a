package readmodel

import (
	"hash/maphash"
	"sync"
)

// recent remembers which events came last, as far as it must to guess which ones
// the timeline has: an event that was not seen lately is nearly always new, and
// written without looking it up first. A guess that turns out wrong costs a second
// try of the batch, never a row; after one, nothing is guessed for a while.
//
// It may be used by several workers at once.
type recent struct {
	mu     sync.Mutex
	seed   maphash.Seed
	newer  map[uint64]struct{}
	older  map[uint64]struct{}
	doubt  int // so many batches are not guessed about
	fewest int // events of a batch that is
}

const (
	remembered     = 100_000 // identities of a generation, of which there are two: some 4 MB
	doubtfulAfter  = 8       // batches that follow a wrong guess
	fewestToGuess  = 500     // events: one more lookup of a few is nothing, a second try is
	eventsIdentity = "events_pkey"
)

func newRecent() *recent {
	return &recent{seed: maphash.MakeSeed(), fewest: fewestToGuess, newer: map[uint64]struct{}{}, older: map[uint64]struct{}{}}
}

// sort parts events that are new, by all appearance, from the others, in their
// order, and remembers all.
func (r *recent) sort(entries []*entry) (fresh, doubtful []*entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	guess := r.doubt == 0 && len(entries) >= r.fewest
	if r.doubt > 0 {
		r.doubt--
	}
	for _, e := range entries {
		if r.seen(e) || !guess {
			doubtful = append(doubtful, e)
		} else {
			fresh = append(fresh, e)
		}
	}
	return fresh, doubtful
}

// wrong says that an event was there.
func (r *recent) wrong() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubt = doubtfulAfter
}

// seen reports whether the event was seen lately, and remembers it.
func (r *recent) seen(e *entry) bool {
	id := r.hash(e)
	_, newer := r.newer[id]
	_, older := r.older[id]
	if len(r.newer) == remembered {
		r.older, r.newer = r.newer, r.older
		clear(r.newer)
	}
	r.newer[id] = struct{}{}
	return newer || older
}

func (r *recent) hash(e *entry) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	for _, text := range [...]string{string(e.tenant), string(e.ref.Stream.Kind), e.ref.Stream.ID, string(e.ref.Source), string(e.ref.ID)} {
		_, _ = h.WriteString(text) // a hash takes everything
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}
