package fanout

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Peer is who is at the other end of a connection, as its token says.
type Peer struct {
	Subject string
	Tenant  events.TenantID
	Scope   []string // "read" for every topic, "read:orders" for one
	Expires time.Time
}

// MayRead reports whether the peer may subscribe to anything at all.
func (p Peer) MayRead() bool {
	return p.mayRead(Orders) || p.mayRead(Shipments)
}

// mayRead allows a topic that shows orders and shipments to those who may read
// both.
func (p Peer) mayRead(t Topic) bool {
	if t == KPIs || t == Alerts {
		return p.mayRead(Orders) && p.mayRead(Shipments)
	}
	return slices.Contains(p.Scope, "read") || slices.Contains(p.Scope, "read:"+string(t))
}

// rights are what of the peer decides which rows it may see.
func (p Peer) rights() string {
	scope := slices.Clone(p.Scope)
	slices.Sort(scope)
	return string(p.Tenant) + "\n" + strings.Join(slices.Compact(scope), "\n")
}

// shape says which rows a position is about: two hashes, of the question (topic,
// filter, protocol) and of the rights (tenant, scope). A position resumes only a
// subscription of the same shape, so old rights are not replayed. It protects
// clients from mistakes; what a client may see never depends on it.
func shape(p Peer, q question) string {
	const protocol = "track.v1"
	return digest(protocol+"\n"+string(q.topic)+"\n"+q.canonical()) + digest(p.rights())
}

const digestLen = 8

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:digestLen/2])
}

// whatDiffers names why a position of another shape does not resume.
func whatDiffers(have, want string) ResetCode {
	if len(have) == len(want) && have[digestLen:] == want[digestLen:] {
		return ResetFilter
	}
	return ResetAuthz
}
