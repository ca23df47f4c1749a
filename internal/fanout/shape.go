package fanout

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// Peer is who is at the other end of a connection, as its token or its link
// says.
type Peer struct {
	Subject string
	Tenant  events.TenantID
	Scope   []string // "read" for every topic, "read:orders" for one
	Expires time.Time
	ID      string    // of the token or link; "" when it has none
	Issued  time.Time // when that was made
	// Shipment is the only one that the bearer of a link may see, and of it what
	// is public. It is "" for whoever came with a token.
	Shipment events.ShipmentID
}

// MayRead reports whether the peer may subscribe to anything at all.
func (p Peer) MayRead() bool {
	return p.mayRead(Orders) || p.mayRead(Shipments)
}

// mayRead allows a topic that shows orders and shipments to those who may read
// both.
func (p Peer) mayRead(t Topic) bool {
	if p.Shipment != "" {
		return t == Shipments
	}
	if t == KPIs || t == Alerts {
		return p.mayRead(Orders) && p.mayRead(Shipments)
	}
	return slices.Contains(p.Scope, "read") || slices.Contains(p.Scope, "read:"+string(t))
}

// scope is what of its tenant the peer may see.
func (p Peer) scope() scope { return scope{shipment: p.Shipment} }

// rights are what of the peer decides which rows it may see, and how much of
// them.
func (p Peer) rights() string {
	if p.Shipment != "" {
		return "\x00" + string(p.Tenant) + "\n" + string(p.Shipment) // begins like no tenant does
	}
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
