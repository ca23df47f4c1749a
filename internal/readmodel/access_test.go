package readmodel_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybill-io/waybill/events"
	"github.com/waybill-io/waybill/internal/auth"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/share"
)

// desk is a rig with a reader, and a shipment of acme.
func newDesk(t *testing.T) (*rig, *readmodel.Reader) {
	t.Helper()
	r := newRig(t)
	if _, err := r.conn.Exec(t.Context(), `
		INSERT INTO rm_1.shipments (tenant_id, shipment_id, known, status, revision, parcel_count, open_exceptions, exception_count,
			disputed, gap, damaged, customs_held, state)
		VALUES ('acme', 's-1', true, 'in_transit', 1, 1, 0, 0, false, false, false, false, '{}')`); err != nil {
		t.Fatal(err)
	}
	reader, err := readmodel.OpenReader(t.Context(), readmodel.Config{URL: r.url})
	if err != nil {
		t.Fatalf("OpenReader: %v", err)
	}
	t.Cleanup(reader.Close)
	return r, reader
}

func (r *rig) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := r.conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestRevocationsOfAllTenantsReachTheGateway(t *testing.T) {
	t.Parallel()
	r, reader := newDesk(t)
	want := []auth.Revocation{{Tenant: "acme", Subject: "ann"}, {Tenant: "rival", ID: "t-1"}, {Tenant: "acme", Subject: "bob", ID: "t-2"}}
	for i, what := range want {
		at, err := r.store.Revoke(t.Context(), what, "left", "ops@host")
		if err != nil {
			t.Fatalf("Revoke(%+v): %v", what, err)
		}
		if age := time.Since(at); age < -time.Minute || age > time.Minute {
			t.Errorf("revoked %v ago, want now", age)
		}
		want[i].Before = at
	}
	got, err := reader.Revocations(t.Context())
	if err != nil {
		t.Fatalf("Revocations: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("revocations (-want +got):\n%s", diff)
	}
	listed, err := r.store.Revocations(t.Context(), "acme")
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	if len(listed) != 2 || listed[0].Subject != "bob" || listed[1].Reason != "left" || listed[1].By != "ops@host" {
		t.Errorf("listed %+v, want those of acme, the newest first", listed)
	}
	if _, err := r.store.Revoke(t.Context(), auth.Revocation{Tenant: "acme"}, "", "ops"); err == nil {
		t.Error("nobody's tokens were revoked")
	}
}

func TestARevocationIsKeptForAsLongAsItMatters(t *testing.T) {
	t.Parallel()
	r, reader := newDesk(t)
	for _, age := range []time.Duration{auth.Kept - time.Minute, auth.Kept + time.Minute} {
		r.exec(t, `INSERT INTO waybill.revocations (tenant_id, subject, issued_before, revoked_by, revoked_at)
			VALUES ('acme', 'ann', now() - $1::interval, 'ops', now() - $1::interval)`, age)
	}
	for when, prune := range map[string]bool{"before": false, "after": true} {
		if prune {
			if n, err := r.store.PruneAccess(t.Context()); err != nil || n != 1 {
				t.Errorf("PruneAccess = %d, %v; want the one that is too old", n, err)
			}
		}
		if got, err := reader.Revocations(t.Context()); err != nil || len(got) != 1 {
			t.Errorf("%s pruning: revocations %+v, %v; want the one that matters", when, got, err)
		}
	}
}

func TestALinkIsOpenedByItsSecretUntilItIsOver(t *testing.T) {
	t.Parallel()
	r, reader := newDesk(t)
	secrets := map[string]share.Secret{}
	for _, name := range []string{"good", "expired", "revoked"} {
		secrets[name] = share.NewSecret()
		if _, err := r.store.CreateLink(t.Context(), secrets[name], "acme", "s-1", time.Hour, "ops"); err != nil {
			t.Fatalf("CreateLink: %v", err)
		}
	}
	r.exec(t, `UPDATE waybill.links SET created_at = now() - interval '2 hours', expires_at = now() - interval '1 second' WHERE link_id = $1`,
		secrets["expired"].Digest().ID())
	if _, err := r.store.RevokeLink(t.Context(), "acme", secrets["revoked"].Digest().ID(), "wrong shipment", "ops"); err != nil {
		t.Fatalf("RevokeLink: %v", err)
	}

	l, err := reader.Link(t.Context(), secrets["good"])
	if err != nil {
		t.Fatalf("Link: %v", err)
	}
	want := share.Link{ID: secrets["good"].Digest().ID(), Tenant: "acme", Shipment: "s-1"}
	if diff := cmp.Diff(want, l, cmpopts.IgnoreFields(share.Link{}, "Created", "Expires")); diff != "" || l.Expires.Sub(l.Created) != time.Hour {
		t.Errorf("link (-want +got), good for %v:\n%s", l.Expires.Sub(l.Created), diff)
	}
	for name, secret := range map[string]share.Secret{
		"expired": secrets["expired"], "revoked": secrets["revoked"], "unknown": share.NewSecret(), "empty": "",
		"the id of the good one": share.Secret(l.ID), "its hash": share.Secret(secrets["good"].Digest().String()),
	} {
		if l, err := reader.Link(t.Context(), secret); !errors.Is(err, share.ErrNotFound) {
			t.Errorf("%s: Link = %+v, %v; want %v", name, l, err, share.ErrNotFound)
		}
	}
	revoked, err := reader.Revocations(t.Context())
	if err != nil || len(revoked) != 1 || revoked[0].ID != secrets["revoked"].Digest().ID() || revoked[0].Tenant != "acme" {
		t.Errorf("revocations %+v, %v; want that of the link, for those who have it open", revoked, err)
	}
	for over, want := range map[bool]int{false: 1, true: 3} {
		if all, err := r.store.Links(t.Context(), "acme", "s-1", over); err != nil || len(all) != want {
			t.Errorf("Links(over %v) = %+v, %v; want %d", over, all, err, want)
		}
	}
	var stored string
	if err := r.conn.QueryRow(t.Context(), `SELECT string_agg(l::text, ' ') FROM waybill.links l`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	for name, secret := range secrets {
		if found := len(stored) == 0 || containsAny(stored, string(secret), string(secret[4:])); found {
			t.Errorf("the secret of the %s link is stored: %s", name, stored)
		}
	}
}

func TestALinkIsOfItsTenantOnly(t *testing.T) {
	t.Parallel()
	r, _ := newDesk(t)
	secret := share.NewSecret()
	for _, tt := range []struct {
		tenant   events.TenantID
		shipment events.ShipmentID
	}{{"rival", "s-1"}, {"acme", "s-2"}} {
		if _, err := r.store.CreateLink(t.Context(), secret, tt.tenant, tt.shipment, time.Hour, "ops"); !errors.Is(err, share.ErrNotFound) {
			t.Errorf("a link of %s to %s: %v, want %v", tt.tenant, tt.shipment, err, share.ErrNotFound)
		}
	}
	if _, err := r.store.CreateLink(t.Context(), secret, "acme", "s-1", time.Hour, "ops"); err != nil {
		t.Fatalf("CreateLink: %v", err)
	}
	if _, err := r.store.RevokeLink(t.Context(), "rival", secret.Digest().ID(), "", "ops"); !errors.Is(err, share.ErrNotFound) {
		t.Errorf("rival revokes acme's link: %v, want %v", err, share.ErrNotFound)
	}
	if all, err := r.store.Links(t.Context(), "rival", "", true); err != nil || len(all) != 0 {
		t.Errorf("rival's links = %+v, %v; want none", all, err)
	}
}

func TestALinkIsRevokedOnce(t *testing.T) {
	t.Parallel()
	r, _ := newDesk(t)
	secret := share.NewSecret()
	if _, err := r.store.CreateLink(t.Context(), secret, "acme", "s-1", time.Hour, "ops"); err != nil {
		t.Fatalf("CreateLink: %v", err)
	}
	id := secret.Digest().ID()
	if before, err := r.store.RevokeLink(t.Context(), "acme", id, "wrong shipment", "ops"); err != nil || !before.IsZero() {
		t.Fatalf("RevokeLink = %v, %v; want that it was good until now", before, err)
	}
	links, err := r.store.Links(t.Context(), "acme", "s-1", true)
	if err != nil || len(links) != 1 {
		t.Fatalf("Links = %+v, %v; want one", links, err)
	}
	if before, err := r.store.RevokeLink(t.Context(), "acme", id, "again", "ops"); err != nil || before.IsZero() || !before.Equal(links[0].Revoked) {
		t.Errorf("the second RevokeLink = %v, %v; want the time of the first, %v", before, err, links[0].Revoked)
	}
	if listed, err := r.store.Revocations(t.Context(), "acme"); err != nil || len(listed) != 1 || listed[0].Reason != "wrong shipment" {
		t.Errorf("Revocations = %+v, %v; want the first only", listed, err)
	}
}

// A reader that names no tenant, link or "all" sees nothing, and writes nothing
// at all.
func TestAReaderSeesTheAccessTablesOnlyThroughWhatItNames(t *testing.T) {
	t.Parallel()
	r, _ := newDesk(t)
	if _, err := r.store.CreateLink(t.Context(), share.NewSecret(), "acme", "s-1", time.Hour, "ops"); err != nil {
		t.Fatalf("CreateLink: %v", err)
	}
	if _, err := r.store.Revoke(t.Context(), auth.Revocation{Tenant: "acme", Subject: "ann"}, "", "ops"); err != nil {
		t.Fatalf("Revoke: %v", err)
	}
	r.exec(t, `SET ROLE waybill_reader`)
	for setting, want := range map[string]int{"": 0, "rival": 0, "acme": 1} {
		r.exec(t, `SELECT set_config('waybill.tenants', $1, false)`, setting)
		for _, table := range []string{"waybill.links", "waybill.revocations"} {
			var n int
			if err := r.conn.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil || n != want {
				t.Errorf("with tenants %q: %d rows of %s, %v; want %d", setting, n, table, err, want)
			}
		}
	}
	for _, write := range []string{`DELETE FROM waybill.revocations`, `UPDATE waybill.links SET revoked_at = NULL`} {
		if _, err := r.conn.Exec(t.Context(), write); err == nil {
			t.Errorf("a reader may %s", write)
		}
	}
}

func TestLinksThatHaveBeenOverForAMonthAreForgotten(t *testing.T) {
	t.Parallel()
	r, _ := newDesk(t)
	for _, over := range []string{"expires_at = now() - interval '31 days'", "revoked_at = now() - interval '31 days'", "expires_at = now() - interval '29 days'", "expires_at = now() + interval '1 day'"} {
		secret := share.NewSecret()
		if _, err := r.store.CreateLink(t.Context(), secret, "acme", "s-1", time.Hour, "ops"); err != nil {
			t.Fatalf("CreateLink: %v", err)
		}
		r.exec(t, `UPDATE waybill.links SET `+over+` WHERE link_id = $1`, secret.Digest().ID())
	}
	if n, err := r.store.PruneAccess(t.Context()); err != nil || n != 2 {
		t.Errorf("PruneAccess = %d, %v; want 2", n, err)
	}
	if all, err := r.store.Links(t.Context(), "acme", "", true); err != nil || len(all) != 2 {
		t.Errorf("links left: %+v, %v; want 2", all, err)
	}
}

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}
