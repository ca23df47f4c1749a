package auth

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// Revocation takes tokens back before they expire: one of them by its id, or
// those that a subject was given up to a moment. It speaks of its own tenant's
// tokens only.
type Revocation struct {
	Tenant  string
	Subject string    // "" for whoever has the token of that id
	ID      string    // of the token (jti) or the link; "" for all of the subject
	Before  time.Time // tokens issued before; not looked at where an ID is given
}

func (r Revocation) equal(o Revocation) bool {
	return r.Tenant == o.Tenant && r.Subject == o.Subject && r.ID == o.ID && r.Before.Equal(o.Before)
}

// Revocations is where the list of what is revoked is kept.
type Revocations interface {
	// Revocations returns all that can still matter, in the same order each time:
	// those that are older than Kept may be missing.
	Revocations(ctx context.Context) ([]Revocation, error)
}

// Guard is a Verifier that refuses what was revoked.
type Guard struct {
	tokens *Verifier
	source Revocations
	log    *slog.Logger
	list   atomic.Pointer[revoked]
	read   atomic.Int64 // when the list was last read, in nanoseconds since 1970
}

// NewGuard returns a guard that refuses nothing before Load.
func NewGuard(tokens *Verifier, source Revocations, log *slog.Logger) *Guard {
	g := &Guard{tokens: tokens, source: source, log: log}
	g.list.Store(&revoked{})
	return g
}

// Verify answers as [Verifier.Verify] does, and refuses what was revoked.
func (g *Guard) Verify(token string) (Principal, error) {
	p, err := g.tokens.Verify(token)
	if err != nil {
		return Principal{}, err
	}
	if g.Revoked(p) {
		return Principal{}, refuse("revoked", nil)
	}
	return p, nil
}

// Revoked reports whether what p came with was revoked since.
func (g *Guard) Revoked(p Principal) bool { return g.list.Load().covers(p) }

// Age is how long ago the list was read; it is large before the first time.
func (g *Guard) Age() time.Duration { return time.Since(time.Unix(0, g.read.Load())) }

const (
	pollEvery   = 300 * time.Millisecond
	pollTimeout = 2 * time.Second
)

// Load reads the list once.
func (g *Guard) Load(ctx context.Context) error {
	_, err := g.load(ctx)
	return err
}

// Run reads the list again and again until ctx ends, and calls changed when
// there is something new on it. While the list cannot be read the one that is
// known holds.
func (g *Guard) Run(ctx context.Context, changed func()) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		news, err := g.load(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			g.log.Warn("revocations cannot be read, the known ones hold", "error", err)
		}
		failing = err != nil
		if news {
			changed()
		}
	}
}

// load reports whether there is something new on the list.
func (g *Guard) load(ctx context.Context) (news bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	all, err := g.source.Revocations(ctx)
	if err != nil {
		return false, fmt.Errorf("read the revocations: %w", err)
	}
	if news = !slices.EqualFunc(g.list.Load().all, all, Revocation.equal); news {
		g.list.Store(newRevoked(all))
	}
	g.read.Store(time.Now().UnixNano())
	return news, nil
}

// Kept is for how long a revocation has to be kept: no token that it takes back
// is good any longer, no connection that was opened with one or with a link is
// as old.
const Kept = 12 * time.Hour

// revoked is a list that can be asked. It does not change.
type revoked struct {
	all      []Revocation
	ids      map[holder]bool      // of a tenant and an id
	subjects map[holder]time.Time // of a tenant and a subject
	both     map[[3]string]bool   // of a tenant, a subject and an id
}

// holder is an id or a subject of a tenant.
type holder struct{ tenant, name string }

func newRevoked(all []Revocation) *revoked {
	r := &revoked{
		all: all, ids: make(map[holder]bool), subjects: make(map[holder]time.Time), both: make(map[[3]string]bool),
	}
	for _, one := range all {
		switch {
		case one.ID != "" && one.Subject != "":
			r.both[[3]string{one.Tenant, one.Subject, one.ID}] = true
		case one.ID != "":
			r.ids[holder{one.Tenant, one.ID}] = true
		case one.Subject != "":
			h := holder{one.Tenant, one.Subject}
			if one.Before.After(r.subjects[h]) {
				r.subjects[h] = one.Before
			}
		}
	}
	return r
}

// covers reports whether p is revoked.
func (r *revoked) covers(p Principal) bool {
	if before, ok := r.subjects[holder{p.Tenant, p.Subject}]; ok && p.Issued.Before(before) {
		return true
	}
	return p.ID != "" && (r.ids[holder{p.Tenant, p.ID}] || r.both[[3]string{p.Tenant, p.Subject, p.ID}])
}
