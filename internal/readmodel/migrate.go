package readmodel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/waybill-io/waybill/schemas"
)

const versionTable = "public.waybill_schema"

// ErrSchema says that the database's schema is not the one that this program
// was made for.
var ErrSchema = errors.New("the schema does not fit this program")

// Migrate brings the database's schema up to this program's. Several may run it
// at once: an advisory lock lets one work. It needs a login that may create
// schemas and roles.
func Migrate(ctx context.Context, url string) (from, to int64, err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return 0, 0, fmt.Errorf("parse the database URL: %w", err)
	}
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return 0, 0, fmt.Errorf("prepare the lock: %w", err)
	}
	files, err := fs.Sub(schemas.Postgres, "postgres")
	if err != nil {
		return 0, 0, fmt.Errorf("read the migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithTableName(versionTable), goose.WithVerbose(false))
	if err != nil {
		return 0, 0, fmt.Errorf("read the migrations: %w", err)
	}
	from, err = p.GetDBVersion(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read the schema's version: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return from, from, fmt.Errorf("migrate from version %d: %w", from, err)
	}
	to, err = p.GetDBVersion(ctx)
	return from, to, err
}

// checkSchema compares the database's version with the newest migration.
func checkSchema(ctx context.Context, conn *pgx.Conn) error {
	want, err := newestMigration()
	if err != nil {
		return err
	}
	var have int64
	err = conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable).Scan(&have)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42P01" {
		return fmt.Errorf("%w: the database is empty; run consumer migrate", ErrSchema)
	}
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have != want {
		return fmt.Errorf("%w: it is at version %d, this program needs %d; run consumer migrate of the same release", ErrSchema, have, want)
	}
	return nil
}

func newestMigration() (int64, error) {
	names, err := fs.Glob(schemas.Postgres, "postgres/*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("read the migrations: %d files, %w", len(names), err)
	}
	number, _, _ := strings.Cut(path.Base(names[len(names)-1]), "_")
	return strconv.ParseInt(number, 10, 64)
}
