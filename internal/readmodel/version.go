package readmodel

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// schemaOf is the schema of a version of the read model, which names its
// positions too.
func schemaOf(version int32) string { return fmt.Sprintf("rm_%d", version) }

// pathKey is where a session keeps which version it reads and writes.
const pathKey = "version"

// sessionVersion is the version that a session's plain table names mean; 0 when
// it was never told.
func sessionVersion(conn *pgx.Conn) int32 {
	version, _ := conn.PgConn().CustomData()[pathKey].(int32)
	return version
}

// follow makes a session's plain table names those of a version. Statements that
// it has prepared are planned again by the server. Within a transaction it may be
// rolled back: then forget.
func follow(ctx context.Context, conn *pgx.Conn, version int32) error {
	if sessionVersion(conn) == version {
		return nil
	}
	forget(conn)
	path := pgx.Identifier{schemaOf(version)}.Sanitize() + ", waybill"
	if _, err := conn.Exec(ctx, "SET search_path = "+path); err != nil {
		return fmt.Errorf("turn to version %d: %w", version, err)
	}
	conn.PgConn().CustomData()[pathKey] = version
	return nil
}

// forget has the next user of a session say again which version it is for.
func forget(conn *pgx.Conn) { delete(conn.PgConn().CustomData(), pathKey) }

// lockLive reads which version is live and keeps it so until the transaction
// ends: a swap waits for it, or it for the swap.
func lockLive(ctx context.Context, tx pgx.Tx) (version int32, err error) {
	const query = `-- name: lock_live
		SELECT version FROM waybill.read_model FOR SHARE`
	if err := tx.QueryRow(ctx, query).Scan(&version); err != nil {
		return 0, fmt.Errorf("read the live version: %w", err)
	}
	return version, nil
}

// versionsOf lists the versions that are there.
func versionsOf(ctx context.Context, tx pgx.Tx) ([]int32, error) {
	const query = `-- name: versions
		SELECT substr(nspname, 4)::int FROM pg_namespace WHERE nspname ~ '^rm_[0-9]{1,9}$'`
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	versions, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	slices.Sort(versions)
	return versions, err
}
