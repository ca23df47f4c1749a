-- +goose Up
-- The returns of an order that were requested and not received yet, beside its
-- holds. Rows that are there already say so when their order is told something
-- next; a rebuild has all of them say it.

-- +goose StatementBegin
CREATE FUNCTION waybill.add_returns_open(version int) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    EXECUTE format('ALTER TABLE %I.orders ADD COLUMN returns_open text[] COLLATE "C" NOT NULL DEFAULT ''{}''', 'rm_' || version);
END $fn$;
-- +goose StatementEnd

-- A later version of the read model has it from the beginning.
ALTER FUNCTION waybill.create_read_model(int) RENAME TO create_read_model_without_returns;
-- +goose StatementBegin
CREATE FUNCTION waybill.create_read_model(version int) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    PERFORM waybill.create_read_model_without_returns(version);
    PERFORM waybill.add_returns_open(version);
END $fn$;
-- +goose StatementEnd

SELECT waybill.add_returns_open(substr(nspname, 4)::int) FROM pg_namespace WHERE nspname ~ '^rm_[0-9]+$';

-- A view has the columns that its table had when it was made. Replaced, it keeps
-- its rights and whatever others have built on it.
-- +goose StatementBegin
DO $do$
BEGIN
    EXECUTE format('CREATE OR REPLACE VIEW waybill.orders WITH (security_invoker = true) AS SELECT * FROM %I.orders',
        'rm_' || (SELECT version FROM waybill.read_model));
END $do$;
-- +goose StatementEnd
