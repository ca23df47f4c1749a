package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/cmd/internal/clitest"
	"github.com/waybill-io/waybill/internal/devstack/stacktest"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// served is a gateway that runs, on a database of its own with two shipments.
type served struct {
	t            *testing.T
	db           string
	conn         *pgx.Conn // a superuser's
	listen, file string
}

func newServed(t *testing.T) *served {
	t.Helper()
	g := &served{t: t, db: stacktest.Postgres(t), listen: clitest.Free(t), file: secretFile(t, longText)}
	if _, _, err := readmodel.Migrate(t.Context(), g.db); err != nil {
		t.Fatal(err)
	}
	g.conn = g.connect()
	g.exec(`INSERT INTO rm_1.shipments (tenant_id, shipment_id, known, status, revision, parcel_count, open_exceptions, exception_count,
			disputed, gap, damaged, customs_held, numbers, order_ids, state)
		SELECT 'demo', id, true, 'in_transit', 1, 1, 0, 0, false, false, false, false, '{1Z999}', '{o-1}', '{}' FROM unnest('{s-1,s-2}'::text[]) id`)
	g.exec(`INSERT INTO waybill.tenant_stream (tenant_id) VALUES ('demo')`)
	opsAddr := clitest.Free(t)
	p := clitest.Start(t, []string{"serve", "--listen=" + g.listen, "--ops-addr=" + opsAddr, "--drain-window=100ms"}, g.env())
	clitest.Ready(t, opsAddr)
	t.Cleanup(func() { p.Kill() })
	return g
}

func (g *served) env() map[string]string {
	return map[string]string{"WAYBILL_JWT_SECRET_FILE": g.file, "WAYBILL_DATABASE_URL": g.db}
}

func (g *served) connect() *pgx.Conn {
	g.t.Helper()
	conn, err := pgx.Connect(g.t.Context(), g.db)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(g.t.Context())) })
	return conn
}

func (g *served) exec(sql string) {
	g.t.Helper()
	if _, err := g.conn.Exec(g.t.Context(), sql); err != nil {
		g.t.Fatalf("%s: %v", sql, err)
	}
}

// call runs a command that has to end well, and returns what it printed.
func (g *served) call(args ...string) string {
	g.t.Helper()
	o := clitest.Call(g.t, run, args, g.env())
	if o.Err != nil {
		g.t.Fatalf("%s: %v", strings.Join(args, " "), o.Err)
	}
	return strings.TrimSpace(o.Stdout)
}

// change commits a change of a shipment every 10 ms until the test is over.
func (g *served) change(shipment string) {
	conn := g.connect()
	ctx, stop := context.WithCancel(g.t.Context())
	done := make(chan error, 1)
	go func() { done <- keepChanging(ctx, conn, shipment) }()
	g.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			g.t.Errorf("change %s: %v", shipment, err)
		}
	})
}

func keepChanging(ctx context.Context, conn *pgx.Conn, shipment string) error {
	const change = `
		WITH row AS (
			UPDATE rm_1.shipments SET revision = revision + 1 WHERE tenant_id = 'demo' AND shipment_id = $1
		), stream AS (
			UPDATE waybill.tenant_stream SET seq = seq + 1 WHERE tenant_id = 'demo' RETURNING seq
		)
		INSERT INTO waybill.changes (tenant_id, seq, kind, entity_id, entries) SELECT 'demo', seq, 'shipment', $1, '[]' FROM stream`
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := conn.Exec(ctx, change, shipment); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// watcher is a client that notes when it was told of something.
type watcher struct {
	t    *testing.T
	done chan struct{} // closed when the connection is over

	mu     sync.Mutex
	deltas int
	last   time.Time // when the last message came
	code   websocket.StatusCode
	text   string // all of it
}

// watch subscribes to shipments with a token or the secret of a link.
func (g *served) watch(bearer string) *watcher {
	g.t.Helper()
	transport := &http.Transport{}
	ws, _, err := websocket.Dial(g.t.Context(), "ws://"+g.listen+"/v1/live", &websocket.DialOptions{
		Subprotocols: []string{"track.v1.json"}, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	w := &watcher{t: g.t, done: make(chan struct{})}
	g.t.Cleanup(func() {
		_ = ws.CloseNow()
		<-w.done
		transport.CloseIdleConnections()
	})
	go w.read(ws)
	hello := `{"t":"hello","v":1,"token":"` + bearer + `","subs":[{"sid":1,"topic":"shipments"}]}`
	if err := ws.Write(g.t.Context(), websocket.MessageText, []byte(hello)); err != nil {
		g.t.Fatal(err)
	}
	return w
}

func (w *watcher) read(ws *websocket.Conn) {
	defer close(w.done)
	for {
		_, text, err := ws.Read(context.Background())
		w.mu.Lock()
		if err != nil {
			w.code = websocket.CloseStatus(err)
			w.mu.Unlock()
			return
		}
		w.last = time.Now()
		w.deltas += strings.Count(string(text), `"t":"d"`)
		w.text += string(text) + "\n"
		w.mu.Unlock()
	}
}

func (w *watcher) seen() (deltas int, last time.Time, code websocket.StatusCode, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.deltas, w.last, w.code, w.text
}

// follows waits until deltas come.
func (w *watcher) follows() {
	w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for before, _, _, _ := w.seen(); ; time.Sleep(5 * time.Millisecond) {
		if now, _, _, _ := w.seen(); now > before+3 {
			return
		}
		if time.Now().After(deadline) {
			_, _, code, text := w.seen()
			w.t.Fatalf("no deltas come; closed with %d after:\n%s", code, text)
		}
	}
}

// endsBy checks that the connection was closed with a code, and that nothing came
// more than a second after something was committed.
func (w *watcher) endsBy(committed time.Time, want websocket.StatusCode) {
	w.t.Helper()
	select {
	case <-w.done:
	case <-time.After(5 * time.Second):
		w.t.Fatal("still open 5 s later")
	}
	_, last, code, _ := w.seen()
	if code != want {
		w.t.Errorf("closed with %d, want %d", code, want)
	}
	if late := last.Sub(committed); late > time.Second {
		w.t.Errorf("the last frame came %v after the commit, want a second at most", late)
	}
	if took := time.Since(committed); took > time.Second {
		w.t.Errorf("closed %v after the commit, want a second at most", took)
	}
}

// No frame leaves the gateway later than a second after a revocation's commit
// (I11), although changes go on.
func TestRevoke_closesLiveConnectionsWithinASecond(t *testing.T) {
	t.Parallel()
	g := newServed(t)
	g.change("s-1")
	ann, bob := g.call("token", "--tenant=demo", "--subject=ann"), g.call("token", "--tenant=demo", "--subject=bob")
	hers, his := g.watch(ann), g.watch(bob)
	hers.follows()
	his.follows()

	said := g.call("revoke", "--tenant=demo", "--subject=ann", "--reason=left")
	hers.endsBy(time.Now(), 4505)
	if !strings.Contains(said, "the tokens of ann of demo") {
		t.Errorf("the command said %q", said)
	}
	his.follows()

	again := g.watch(ann)
	again.endsBy(time.Now(), 4505)
	if _, _, _, text := again.seen(); text != "" {
		t.Errorf("a hello with a revoked token was answered with %s", text)
	}
	if status := get(t, g.listen, "/v1/orders/none", ann); status != http.StatusUnauthorized {
		t.Errorf("the read API with a revoked token: %d, want 401", status)
	}
	if status := get(t, g.listen, "/v1/orders/none", bob); status != http.StatusNotFound {
		t.Errorf("the read API with a good token: %d, want 404", status)
	}
	if list := g.call("revoke", "--list"); !strings.Contains(list, "ann") || !strings.Contains(list, "left") || strings.Contains(list, "bob") {
		t.Errorf("the list is\n%s", list)
	}
}

func TestLink_showsOneShipmentLiveUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	g := newServed(t)
	g.change("s-1")
	g.change("s-2")
	url := g.call("link", "create", "--tenant=demo", "--shipment=s-1", "--base-url=https://track.example.com/")
	secret, ok := strings.CutPrefix(url, "https://track.example.com/t/")
	if !ok || len(secret) != len("wbl_")+22 {
		t.Fatalf("link create printed %q, want the URL of a secret of 128 bits", url)
	}
	w := g.watch(secret)
	w.follows()
	if _, _, _, text := w.seen(); !strings.Contains(text, `"id":"shipment"`) || strings.Contains(text, "s-1") || strings.Contains(text, "s-2") ||
		strings.Contains(text, "1Z999") || strings.Contains(text, "o-1") {
		t.Errorf("the link shows\n%s", text)
	}
	list := g.call("link", "list", "--tenant=demo")
	if !strings.Contains(list, "lnk_") || !strings.Contains(list, "s-1") || strings.Contains(list, secret) {
		t.Errorf("the list is\n%s", list)
	}

	said := g.call("link", "revoke", "--tenant=demo", "--reason=wrong shipment", url)
	w.endsBy(time.Now(), 4505)
	if !strings.HasPrefix(said, "revoked lnk_") || strings.Contains(said, secret) {
		t.Errorf("link revoke printed %q", said)
	}
	if again := g.call("link", "revoke", "--tenant=demo", url); !strings.HasPrefix(again, "lnk_") || !strings.Contains(again, " was revoked already at 2") {
		t.Errorf("the second link revoke printed %q", again)
	}
	if list := g.call("revoke", "--list"); strings.Count(list, "lnk_") != 1 {
		t.Errorf("the list of what is revoked is\n%s", list)
	}
	g.watch(secret).endsBy(time.Now(), 4501)
	if list := g.call("link", "list", "--tenant=demo"); strings.Contains(list, "lnk_") {
		t.Errorf("the list of good links is\n%s", list)
	}
	if list := g.call("link", "list", "--tenant=demo", "--all"); !strings.Contains(list, "lnk_") {
		t.Errorf("the list of all links is\n%s", list)
	}
}

func TestLink_toAShipmentThatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	db := stacktest.Postgres(t)
	if _, _, err := readmodel.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	o := clitest.Call(t, run, []string{"link", "create", "--tenant=demo", "--shipment=s-9", "--database-url=" + db}, nil)
	if o.Err == nil || !strings.HasSuffix(o.Err.Error(), "tenant demo has no shipment s-9") || o.Stdout != "" {
		t.Errorf("error = %v, stdout %q; want an error that names the shipment", o.Err, o.Stdout)
	}
}
