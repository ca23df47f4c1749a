-- +goose Up
-- What every version of the read model shares: the timeline, positions in the
-- log, dead letters and the change feed. Text keys compare bytewise, so that Go
-- and SQL sort alike.

CREATE SCHEMA waybill;

-- +goose StatementBegin
DO $$
BEGIN
    -- Roles belong to the cluster: another database may have made them already,
    -- even at this very moment.
    BEGIN
        CREATE ROLE waybill_projector NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE waybill_reader NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    EXECUTE format('ALTER DATABASE %I SET search_path = waybill, public', current_database());
END $$;
-- +goose StatementEnd

GRANT USAGE ON SCHEMA waybill TO waybill_projector, waybill_reader;
GRANT SELECT ON public.waybill_schema TO waybill_projector, waybill_reader;

-- The timeline: insert-only. data is the text that the producer wrote.
CREATE TABLE waybill.events (
    tenant_id       text COLLATE "C" NOT NULL,
    stream          text COLLATE "C" NOT NULL,
    stream_id       text COLLATE "C" NOT NULL,
    source          text COLLATE "C" NOT NULL,
    event_id        text COLLATE "C" NOT NULL,
    type            text COLLATE "C" NOT NULL,
    class           text COLLATE "C" NOT NULL,
    occurred_at     timestamptz NOT NULL,
    tz_source       text COLLATE "C" NOT NULL,
    time_precision  text COLLATE "C" NOT NULL,
    recorded_at     timestamptz NOT NULL,
    ingested_at     timestamptz NOT NULL,
    data            json NOT NULL,
    content_hash    bytea NOT NULL,
    -- bookkeeping: depends on arrival, never on what the events say
    topic           text COLLATE "C" NOT NULL,
    partition       int NOT NULL,
    "offset"        bigint NOT NULL,
    arrived_late    boolean NOT NULL DEFAULT false,
    applied_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, stream, stream_id, source, event_id)
);
COMMENT ON TABLE waybill.events IS 'every fact, once, as it was said: the timeline of orders, shipments and carrier numbers';
COMMENT ON COLUMN waybill.events.occurred_at IS 'when it happened; data->>''occurred_at'' has it with the offset of the place';
COMMENT ON COLUMN waybill.events.recorded_at IS 'when the source knew';
COMMENT ON COLUMN waybill.events.ingested_at IS 'when it came through our door';
COMMENT ON COLUMN waybill.events.arrived_late IS 'its stream knew a newer fact when it arrived';

CREATE TABLE waybill.projection_offsets (
    projection   text COLLATE "C" NOT NULL,
    topic        text COLLATE "C" NOT NULL,
    partition    int NOT NULL,
    epoch        bigint NOT NULL,
    next_offset  bigint NOT NULL,
    owner        text COLLATE "C" NOT NULL,
    cluster_id   text COLLATE "C" NOT NULL,
    last_offset  bigint NOT NULL DEFAULT -1,
    last_hash    bytea,
    claimed_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE waybill.dead_letters (
    projection   text COLLATE "C" NOT NULL,
    topic        text COLLATE "C" NOT NULL,
    partition    int NOT NULL,
    "offset"     bigint NOT NULL,
    key          bytea,
    value        bytea,
    headers      json NOT NULL, -- [[name, base64 of the value], ...] in the record's order
    record_time  timestamptz,
    class        text COLLATE "C" NOT NULL,
    sqlstate     text COLLATE "C" NOT NULL DEFAULT '',
    message      text NOT NULL,
    attempts     int NOT NULL DEFAULT 1,
    status       text COLLATE "C" NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'replayed', 'discarded')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, partition, "offset")
);
COMMENT ON TABLE waybill.dead_letters IS 'records that could not be applied, with the reason; the record is kept whole';

CREATE TABLE waybill.tenant_stream (
    tenant_id  text COLLATE "C" PRIMARY KEY,
    epoch      bigint NOT NULL DEFAULT 1,
    seq        bigint NOT NULL DEFAULT 0,
    low        bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE waybill.changes (
    tenant_id   text COLLATE "C" NOT NULL,
    seq         bigint NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    entity_id   text COLLATE "C" NOT NULL,
    entries     json NOT NULL, -- identities of timeline entries added or re-marked, sorted
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, seq)
);

-- Which version of the read model is live.
CREATE TABLE waybill.read_model (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version   int NOT NULL
);
INSERT INTO waybill.read_model (version) VALUES (1);

-- secure puts a tenant table under row level security: readers see the tenants
-- that waybill.tenants names, the projector sees all.
-- +goose StatementBegin
CREATE FUNCTION waybill.secure(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
    EXECUTE format('CREATE POLICY projector ON %s TO waybill_projector USING (true) WITH CHECK (true)', tbl);
    EXECUTE format('CREATE POLICY reader ON %s FOR SELECT TO waybill_reader
        USING (tenant_id = ANY (string_to_array(current_setting(''waybill.tenants''), '','')))', tbl);
    EXECUTE format('GRANT SELECT ON %s TO waybill_reader', tbl);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO waybill_projector', tbl);
END $$;
-- +goose StatementEnd

SELECT waybill.secure('waybill.events');
REVOKE UPDATE, DELETE ON waybill.events FROM waybill_projector;
GRANT UPDATE (arrived_late) ON waybill.events TO waybill_projector;
SELECT waybill.secure('waybill.tenant_stream');
SELECT waybill.secure('waybill.changes');
GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.projection_offsets, waybill.dead_letters TO waybill_projector;
GRANT SELECT ON waybill.projection_offsets, waybill.read_model TO waybill_reader;
GRANT SELECT ON waybill.read_model TO waybill_projector;
