package readmodel

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waybill-io/waybill/events"
)

// VerifyConfig says which rows are held against a fold of the timeline.
type VerifyConfig struct {
	// URL is the database, with a login that may act as the projector.
	URL string
	// Tenant, Order and Shipment name one order, with its shipments, or one
	// shipment. A tenant alone means all that it has.
	Tenant   events.TenantID
	Order    events.OrderID
	Shipment events.ShipmentID
	// Sample is how many streams, drawn at random, are looked at where neither is
	// named. Defaults to all.
	Sample int
	// Streams is how many streams one snapshot looks at. Defaults to 500.
	Streams int
	// Progress is told how many streams were looked at. Defaults to nobody.
	Progress func(streams int64)
}

// Mismatch is a column in which a stored row is not what the timeline folds to.
type Mismatch struct {
	Table  string            `json:"table"`
	Key    map[string]string `json:"key"`
	Column string            `json:"column,omitempty"` // "" where the whole row is missing or too many
	Stored any               `json:"stored"`           // nil for a row that is missing
	Folded any               `json:"folded"`           // nil for a row that should not be
}

// Verified says what was looked at and what was wrong.
type Verified struct {
	Version    int32            `json:"version"`
	Streams    int64            `json:"streams"`
	Rows       map[string]int64 `json:"rows"` // folded, by table
	Wrong      int64            `json:"wrong"`
	Mismatches []Mismatch       `json:"mismatches,omitempty"` // the first thousand
}

// mostMismatches is how many are told one by one.
const mostMismatches = 1000

// verifier is one run.
type verifier struct {
	cfg  VerifyConfig
	pool *pgxpool.Pool
	out  Verified
}

// Verify folds rows of the live version again and says where they differ from
// those that are stored. It writes nothing. Each stream is judged in one snapshot
// with all that shares a number with it, so that it may run beside a projection.
func Verify(ctx context.Context, cfg VerifyConfig) (Verified, error) {
	if cfg.Streams == 0 {
		cfg.Streams = 500
	}
	if cfg.Progress == nil {
		cfg.Progress = func(int64) {}
	}
	version, err := liveVersion(ctx, cfg.URL)
	if err != nil {
		return Verified{}, err
	}
	pool, err := open(ctx, Config{URL: cfg.URL, Name: "waybill verify", MaxConns: 1, StatementTimeout: time.Hour}, projectorRole, nil)
	if err != nil {
		return Verified{}, err
	}
	defer pool.Close()
	v := &verifier{cfg: cfg, pool: pool, out: Verified{Version: version, Rows: map[string]int64{}}}
	switch {
	case cfg.Order != "" || cfg.Shipment != "":
		err = v.named(ctx)
	case cfg.Sample > 0:
		err = v.sample(ctx)
	default:
		err = v.all(ctx)
	}
	if err != nil {
		return v.out, fmt.Errorf("verify version %d: %w", v.out.Version, classify(err))
	}
	return v.out, nil
}

// look judges streams that find names in a snapshot of their own.
func (v *verifier) look(ctx context.Context, find func(pgx.Tx) (streams, error)) error {
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, v.pool, opts, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT version FROM waybill.read_model`).Scan(&v.out.Version); err != nil {
			return fmt.Errorf("read the live version: %w", err)
		}
		if err := follow(ctx, tx.Conn(), v.out.Version); err != nil {
			return err
		}
		of, err := find(tx)
		if err != nil {
			forget(tx.Conn())
			return err
		}
		if err := v.judge(ctx, tx, of); err != nil {
			forget(tx.Conn())
			return err
		}
		v.out.Streams += int64(len(of.shipments) + len(of.numbers) + len(of.orders))
		v.cfg.Progress(v.out.Streams)
		return nil
	})
}

// named judges what the operator names.
func (v *verifier) named(ctx context.Context) error {
	return v.look(ctx, func(tx pgx.Tx) (streams, error) {
		of := newStreams()
		if v.cfg.Shipment != "" {
			of.shipments[entity{v.cfg.Tenant, string(v.cfg.Shipment)}] = true
		}
		if v.cfg.Order == "" {
			return of, nil
		}
		of.orders[entity{v.cfg.Tenant, string(v.cfg.Order)}] = true
		its, err := shipmentsOf(ctx, tx, v.cfg.Tenant, string(v.cfg.Order))
		for _, id := range its {
			of.shipments[entity{v.cfg.Tenant, id}] = true
		}
		return of, err
	})
}

// sample judges streams that lie in blocks of the timeline drawn at random.
func (v *verifier) sample(ctx context.Context) error {
	const size = `-- name: timeline_size
		SELECT greatest(reltuples, 1)::float8 FROM pg_class WHERE oid = 'waybill.events'::regclass`
	var events float64
	if err := v.pool.QueryRow(ctx, size).Scan(&events); err != nil {
		return fmt.Errorf("ask for the size of the timeline: %w", err)
	}
	const query = `-- name: sample_streams
		SELECT tenant_id, stream, stream_id
		  FROM (SELECT DISTINCT tenant_id, stream, stream_id FROM waybill.events TABLESAMPLE SYSTEM ($1)
		         WHERE $2 = '' OR tenant_id = $2) s
		 ORDER BY random() LIMIT $3`
	percent := min(100, 100*50*float64(v.cfg.Sample)/events+1)
	rows, err := v.pool.Query(ctx, query, percent, string(v.cfg.Tenant), v.cfg.Sample)
	if err != nil {
		return err
	}
	drawn, err := collectStreams(rows)
	if err != nil {
		return fmt.Errorf("draw a sample: %w", err)
	}
	for len(drawn) > 0 {
		n := min(len(drawn), v.cfg.Streams)
		part := drawn[:n]
		drawn = drawn[n:]
		if err := v.look(ctx, func(pgx.Tx) (streams, error) { return streamsOf(part), nil }); err != nil {
			return err
		}
	}
	return nil
}

type streamKey struct {
	tenant events.TenantID
	events.Stream
}

func collectStreams(rows pgx.Rows) ([]streamKey, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k streamKey, err error) {
		return k, row.Scan(&k.tenant, &k.Kind, &k.ID)
	})
}

func streamsOf(keys []streamKey) streams {
	of := newStreams()
	for _, k := range keys {
		of.add(k.tenant, k.Stream)
	}
	return of
}
