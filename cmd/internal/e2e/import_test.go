package e2e_test

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybill-io/waybill/internal/ingest"
	"github.com/waybill-io/waybill/internal/readmodel"
)

// root is the repository's from here.
var root = filepath.Join("..", "..", "..")

// importOlist publishes the marketplace's orders as producer publish does, and
// returns how many events they are.
func (p *platform) importOlist() int {
	p.t.Helper()
	mapping, err := ingest.LoadMapping(filepath.Join(root, "examples", "olist.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	cfg := ingest.IntakeConfig{Pipeline: ingest.PipelineConfig{Batch: 5000}} // the race detector makes every compressed batch dear
	intake := ingest.NewIntake(ingest.CSV{Mapping: mapping.WithTenant(tenant)}, p.publisher(), cfg)
	began := time.Now()
	result, err := intake.Run(p.t.Context(), []*ingest.File{{Name: olistFile(p.t)}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Logf("%d events published in %v", result.Published, time.Since(began))
	return result.Published
}

// olistFile is the marketplace's file, which stands beside the repository.
func olistFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(root, "..", "shared", "data", "olist", "olist_orders_dataset.csv")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		const say = "the file of real orders is not there: this test reads ../shared/data/olist/olist_orders_dataset.csv beside the repository"
		if os.Getenv("CI") == "true" {
			t.Fatal(say)
		}
		t.Skip(say)
	}
	return file
}

func TestAFileOfRealOrders(t *testing.T) {
	t.Parallel()
	olistFile(t)
	calm := newPlatform(t)
	published := calm.importOlist()
	calm.project()
	troubled := calm.beside()

	t.Run("imported by a consumer that is killed again and again leaves the rows of an undisturbed import", func(t *testing.T) {
		calm, troubled := calm.in(t), troubled.in(t)
		troubled.survives(t)
		calm.drained()
		want := calm.rows()
		t.Logf("undisturbed: %s", summary(want))
		equal(t, "after the kills", want, troubled.rows())
	})
	t.Run("gives the numbers that the file has", func(t *testing.T) {
		calm := calm.in(t)
		if got, want := calm.olistSQL(), "orders=4071 delivered=3965 late=274"; got != want {
			t.Errorf("examples/olist.sql says %q, want %q", got, want)
		}
		if n := value[int](calm, `SELECT count(*) FROM waybill.events`); n != published {
			t.Errorf("%d events in the read model, %d were published", n, published)
		}
		if n := value[int](calm, `SELECT count(*) FROM waybill.dead_letters`); n != 0 {
			t.Errorf("%d dead letters", n)
		}
	})
	t.Run("published again changes no row", func(t *testing.T) {
		calm := calm.in(t)
		before, changes := calm.versions(), calm.changes()
		if again := calm.importOlist(); again != published {
			t.Errorf("the second time %d events were published, the first time %d", again, published)
		}
		calm.drained()
		equal(t, "after the file was published again", before, calm.versions())
		if now := calm.changes(); now != changes {
			t.Errorf("clients were told of %d changes", now-changes)
		}
	})
}

// changes is how many changes clients were told of.
func (p *platform) changes() int64 {
	p.t.Helper()
	return value[int64](p, `SELECT seq FROM waybill.tenant_stream WHERE tenant_id = $1`, tenant)
}

// survives imports what is in the log with a consumer that is killed again and
// again: wherever it happens to be, and at last inside of a transaction that has
// done all its work and is about to commit.
func (p *platform) survives(t *testing.T) {
	t.Helper()
	cfg := p.projection()
	cfg.BatchEvents = 200 // some hundred transactions
	c := p.spawn(cfg)
	ends := p.ends()
	all := ends[p.topics.Orders] + ends[p.topics.Shipments]
	again := func() {
		cfg.Group = freshName() // in its own group, the dead member would be waited for
		c = p.spawn(cfg)
	}
	for _, tenth := range []int64{1, 3, 5, 7} {
		p.reaches(all * tenth / 10)
		c.Kill()
		again()
	}
	p.reaches(all * 8 / 10)
	c.Kill()
	h := p.hold()
	again()
	h.blocks()
	before := p.total()
	c.Kill()
	h.release()
	if now := p.total(); now != before {
		t.Errorf("%d records were applied by transactions that a kill interrupted", now-before)
	}
	if before == all {
		t.Error("everything was applied before the last kill")
	}
	again()
	p.drained()
}

// olistSQL runs the example as an analyst does, who sees one tenant, by plain
// table names.
func (p *platform) olistSQL() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "examples", "olist.sql"))
	if err != nil {
		p.t.Fatal(err)
	}
	var query strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, `\`) { // that is for psql
			query.WriteString(line)
		}
	}
	login := "analyst_" + strings.TrimPrefix(freshName(), "waybill.test.") // logins are shared by all databases
	if err := readmodel.Analyst(p.t.Context(), p.db, login, "secret", tenant); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.drop(login) })
	u, err := url.Parse(p.db)
	if err != nil {
		p.t.Fatal(err)
	}
	u.User = url.UserPassword(login, "secret")
	conn, err := pgx.Connect(p.t.Context(), u.String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(p.t.Context()) //nolint:errcheck // what was read is all that counts
	var line string
	if err := conn.QueryRow(p.t.Context(), query.String()).Scan(&line); err != nil {
		p.t.Fatal(err)
	}
	return line
}

func (p *platform) drop(login string) {
	for _, statement := range []string{"DROP OWNED BY ", "DROP ROLE "} {
		if _, err := p.pool.Exec(context.Background(), statement+login); err != nil {
			p.t.Errorf("%s%s: %v", statement, login, err)
		}
	}
}
