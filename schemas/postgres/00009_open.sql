-- +goose Up
-- Whether an order or a shipment is still under way is a column of its own, and
-- boards find by it what they show. An index on the status itself made every
-- change of it write to all indexes of the row.

-- +goose StatementBegin
CREATE FUNCTION waybill.index_open(version int) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    rm text := 'rm_' || version;
BEGIN
    EXECUTE format('DROP INDEX %I.orders_status, %I.shipments_status', rm, rm);
    EXECUTE format('ALTER TABLE %I.orders ADD COLUMN open boolean NOT NULL
        GENERATED ALWAYS AS (status NOT IN (''delivered'', ''closed'', ''cancelled'')) STORED', rm);
    EXECUTE format('ALTER TABLE %I.shipments ADD COLUMN open boolean NOT NULL
        GENERATED ALWAYS AS (status NOT IN (''delivered'', ''returned'', ''lost'', ''destroyed'', ''cancelled'')) STORED', rm);
    EXECUTE format('CREATE INDEX orders_open ON %I.orders (tenant_id) WHERE open', rm);
    EXECUTE format('CREATE INDEX shipments_open ON %I.shipments (tenant_id) WHERE open', rm);
    EXECUTE format('COMMENT ON COLUMN %I.orders.open IS ''not delivered, closed or cancelled''', rm);
    EXECUTE format('COMMENT ON COLUMN %I.shipments.open IS ''not delivered, returned, lost, destroyed or cancelled''', rm);
END $fn$;
-- +goose StatementEnd

-- A later version of the read model has it from the beginning.
ALTER FUNCTION waybill.create_read_model(int) RENAME TO create_read_model_without_open;
-- +goose StatementBegin
CREATE FUNCTION waybill.create_read_model(version int) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    PERFORM waybill.create_read_model_without_open(version);
    PERFORM waybill.index_open(version);
END $fn$;
-- +goose StatementEnd

SELECT waybill.index_open(substr(nspname, 4)::int) FROM pg_namespace WHERE nspname ~ '^rm_[0-9]+$';

-- A view has the columns that its table had when it was made.
-- +goose StatementBegin
DO $do$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['orders', 'shipments'] LOOP
        EXECUTE format('CREATE OR REPLACE VIEW waybill.%I WITH (security_invoker = true) AS SELECT * FROM %I.%I',
            tbl, 'rm_' || (SELECT version FROM waybill.read_model), tbl);
    END LOOP;
END $do$;
-- +goose StatementEnd
