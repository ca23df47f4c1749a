-- +goose Up
-- What the writer keeps for itself of an order or a shipment is stored as it is
-- written. As jsonb it was taken apart at every write and put together at every
-- read, which cost more than the rest of the row.

-- +goose StatementBegin
CREATE FUNCTION waybill.keep_state_as_json(version int) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['orders', 'shipments'] LOOP
        EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN state TYPE json USING state::json', 'rm_' || version, tbl);
    END LOOP;
END $fn$;
-- +goose StatementEnd

-- A later version of the read model has it from the beginning.
ALTER FUNCTION waybill.create_read_model(int) RENAME TO create_read_model_with_jsonb;
-- +goose StatementBegin
CREATE FUNCTION waybill.create_read_model(version int) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    PERFORM waybill.create_read_model_with_jsonb(version);
    PERFORM waybill.keep_state_as_json(version);
END $fn$;
-- +goose StatementEnd

-- Views hold on to the types of their columns.
DROP VIEW waybill.orders, waybill.shipments;
SELECT waybill.keep_state_as_json(substr(nspname, 4)::int) FROM pg_namespace WHERE nspname ~ '^rm_[0-9]+$';
SELECT waybill.use_read_model(version) FROM waybill.read_model;
