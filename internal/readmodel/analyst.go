package readmodel

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Analyst makes, or renews, a login that reads one tenant's rows by their plain
// table names: psql shows them without any setting. It is for a developer's
// machine: it sees the dead letters of all tenants too.
func Analyst(ctx context.Context, url, user, password, tenant string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const statements = `
		SELECT set_config('analyst.user', $1, false), set_config('analyst.password', $2, false), set_config('analyst.tenant', $3, false)`
	if _, err := conn.Exec(ctx, statements, user, password, tenant); err != nil {
		return fmt.Errorf("make the login %s: %w", user, err)
	}
	const login = `DO $$
		DECLARE
			name text := current_setting('analyst.user');
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
				EXECUTE format('CREATE ROLE %I LOGIN IN ROLE waybill_reader', name);
			END IF;
			EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', name, current_setting('analyst.password'));
			EXECUTE format('ALTER ROLE %I IN DATABASE %I SET waybill.tenants = %L', name, current_database(), current_setting('analyst.tenant'));
			EXECUTE format('GRANT SELECT ON waybill.dead_letters TO %I', name);
		END $$`
	if _, err := conn.Exec(ctx, login); err != nil {
		return fmt.Errorf("make the login %s: %w", user, err)
	}
	return nil
}
