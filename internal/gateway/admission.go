package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/fanout"
	"github.com/waybill-io/waybill/internal/share"
)

// Links opens links.
type Links interface {
	// Link returns the link that a secret opens, or [share.ErrNotFound].
	Link(ctx context.Context, secret share.Secret) (share.Link, error)
}

// lookup bounds the search for a link.
const lookup = 5 * time.Second

// identify answers whom a bearer text speaks for, which is a token or the secret
// of a link, or the code for a client that may not be here.
func (g *Gateway) identify(bearer string, log *slog.Logger) (fanout.Peer, fanout.CloseCode) {
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	peer, reason, code := g.judge(ctx, bearer)
	switch {
	case reason != "":
		g.meter.auth.WithLabelValues(reason).Inc()
		log.Info("token refused", "reason", reason)
		return fanout.Peer{}, code
	case !peer.MayRead():
		return fanout.Peer{}, fanout.CloseForbidden
	}
	return peer, 0
}

// judge is identify, with the reason for logs and metrics.
func (g *Gateway) judge(ctx context.Context, bearer string) (peer fanout.Peer, reason string, code fanout.CloseCode) {
	if share.IsSecret(bearer) {
		return g.open(ctx, share.Secret(bearer))
	}
	p, err := g.verifier.Verify(bearer)
	switch reason = auth.Reason(err); {
	case err == nil:
		return peerOf(p), "", 0
	case reason == "revoked":
		return peer, reason, fanout.CloseRevoked
	}
	return peer, reason, fanout.CloseUnauthenticated
}

// open opens a link. Which links there are, or were, nobody learns.
func (g *Gateway) open(ctx context.Context, secret share.Secret) (peer fanout.Peer, reason string, code fanout.CloseCode) {
	err := error(share.ErrNotFound)
	var link share.Link
	if g.cfg.Links != nil {
		link, err = g.cfg.Links.Link(ctx, secret)
	}
	switch {
	case err == nil:
		return linkPeer(link), "", 0
	case errors.Is(err, share.ErrNotFound):
		return peer, "link", fanout.CloseUnauthenticated
	}
	g.cfg.Log.Warn("a link cannot be looked for", "error", err)
	return peer, "unavailable", fanout.CloseInternal
}

func peerOf(p auth.Principal) fanout.Peer {
	return fanout.Peer{
		Subject: p.Subject, Tenant: events.TenantID(p.Tenant), Scope: p.Scope, Expires: p.Expires, ID: p.ID, Issued: p.Issued,
	}
}

func linkPeer(l share.Link) fanout.Peer {
	return fanout.Peer{
		Subject: "link " + l.ID, Tenant: l.Tenant, Expires: l.Expires, ID: l.ID, Issued: l.Created, Shipment: l.Shipment,
	}
}

// Revoked turns what is asked about principals into what a hub asks about its
// peers, for its Config.
func Revoked(of func(auth.Principal) bool) func(fanout.Peer) bool {
	return func(p fanout.Peer) bool {
		return of(auth.Principal{Subject: p.Subject, Tenant: string(p.Tenant), ID: p.ID, Issued: p.Issued})
	}
}
