-- +goose Up
-- What a rebuild of the read model keeps beside the version that it fills: how
-- far it is, and which streams were told more of meanwhile.

CREATE SCHEMA rebuild;
GRANT USAGE ON SCHEMA rebuild TO waybill_projector;

-- The rebuild that has begun and is not live yet; at most one.
CREATE TABLE rebuild.run (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version     int NOT NULL,             -- that is filled
    live        int NOT NULL,             -- that it was begun beside
    phase       text COLLATE "C" NOT NULL, -- plan, assignments, shipments, numbers, orders or follow
    started_at  timestamptz NOT NULL DEFAULT now()
);

-- Ranges of streams. Those of one phase and tenant tile all keys; the last one
-- has no end.
CREATE TABLE rebuild.chunks (
    phase      text COLLATE "C" NOT NULL,
    tenant_id  text COLLATE "C" NOT NULL,
    after_id   text COLLATE "C" NOT NULL, -- excluded
    until_id   text COLLATE "C",          -- included; NULL: to the end
    events     bigint NOT NULL,
    done       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, phase, after_id)
);

-- Streams that got events since the rebuild began, by transaction: no two
-- transactions write the same row, so none waits for another.
CREATE TABLE rebuild.touched (
    tenant_id  text COLLATE "C" NOT NULL,
    stream     text COLLATE "C" NOT NULL,
    stream_id  text COLLATE "C" NOT NULL,
    by         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, stream, stream_id, by)
);

SELECT waybill.secure('rebuild.chunks'), waybill.secure('rebuild.touched');
REVOKE ALL ON rebuild.chunks, rebuild.touched FROM waybill_reader;
GRANT SELECT, UPDATE ON rebuild.run TO waybill_projector;

-- touch is the trigger that fills rebuild.touched while a rebuild goes on: it
-- sees whatever is stored, by whom and in whatever order it commits.
-- +goose StatementBegin
CREATE FUNCTION rebuild.touch() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    INSERT INTO rebuild.touched (tenant_id, stream, stream_id)
    SELECT DISTINCT s.tenant_id, s.stream, s.stream_id FROM stored s
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $fn$;
-- +goose StatementEnd

-- To enable and to disable a trigger waits for writers only, and they for it.
CREATE TRIGGER touch AFTER INSERT ON waybill.events REFERENCING NEW TABLE AS stored
    FOR EACH STATEMENT EXECUTE FUNCTION rebuild.touch();
ALTER TABLE waybill.events DISABLE TRIGGER touch;

-- open_version makes a version ready to be filled: COPY does not work where row
-- level security holds, so the version is shut to readers instead.
-- +goose StatementBegin
CREATE FUNCTION rebuild.open_version(version int) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    tbl regclass;
BEGIN
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM waybill_reader', 'rm_' || version);
    FOR tbl IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text = 'rm_' || version LOOP
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', tbl);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', tbl);
    END LOOP;
END $fn$;
-- +goose StatementEnd

-- close_version puts row level security back and lets readers in.
-- +goose StatementBegin
CREATE FUNCTION rebuild.close_version(version int) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    tbl regclass;
BEGIN
    FOR tbl IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text = 'rm_' || version LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO waybill_reader', 'rm_' || version);
END $fn$;
-- +goose StatementEnd

-- take_over gives a version what is kept by projection, such as dead letters:
-- positions have rows of their own in every version.
-- +goose StatementBegin
CREATE FUNCTION rebuild.take_over(from_version int, to_version int) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    tbl regclass;
BEGIN
    FOR tbl IN SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'waybill'::regnamespace AND a.attname = 'projection'
          AND NOT a.attisdropped AND c.oid <> 'waybill.projection_offsets'::regclass
        ORDER BY c.relname LOOP
        EXECUTE format('UPDATE %s SET projection = %L WHERE projection = %L', tbl, 'rm_' || to_version, 'rm_' || from_version);
    END LOOP;
END $fn$;
-- +goose StatementEnd

-- Whoever claims partitions holds the live version still meanwhile, which takes
-- a right to update a column; this one can only be true.
GRANT UPDATE (only_one) ON waybill.read_model TO waybill_projector;
