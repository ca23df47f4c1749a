-- +goose Up
-- What views of the past by knowledge look for beside today's rows: what has been
-- taken back since, and creates in whose place another one counts. Both are rare,
-- and so are the rows of these indexes.

-- The one index on events beside its key, and the one that begins with the
-- tenant: a range of times, of one type.
CREATE INDEX events_retracted ON waybill.events (tenant_id, stream, recorded_at) WHERE type = 'event.retracted.v1';

-- +goose StatementBegin
CREATE FUNCTION waybill.index_second_creates(version int) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    EXECUTE format('CREATE INDEX event_marks_second_create ON %I.event_marks (stream, tenant_id) WHERE ''second_create'' = ANY (anomalies)',
        'rm_' || version);
END $fn$;
-- +goose StatementEnd

-- A later version of the read model has it from the beginning.
ALTER FUNCTION waybill.create_read_model(int) RENAME TO create_read_model_tables;
-- +goose StatementBegin
CREATE FUNCTION waybill.create_read_model(version int) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    PERFORM waybill.create_read_model_tables(version);
    PERFORM waybill.index_second_creates(version);
END $fn$;
-- +goose StatementEnd

SELECT waybill.index_second_creates(substr(nspname, 4)::int) FROM pg_namespace WHERE nspname ~ '^rm_[0-9]+$';
