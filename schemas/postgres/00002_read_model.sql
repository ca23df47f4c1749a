-- +goose Up
-- A version of the read model is a schema rm_N. The tables hold nothing that
-- cannot be folded again from waybill.events.

-- +goose StatementBegin
CREATE FUNCTION waybill.create_read_model(version int) RETURNS void LANGUAGE plpgsql SET search_path = waybill AS $fn$
DECLARE
    rm text := 'rm_' || version;
    tbl text;
BEGIN
    EXECUTE format('CREATE SCHEMA %I', rm);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO waybill_projector, waybill_reader', rm);
    PERFORM set_config('search_path', quote_ident(rm), true);

    -- Marks that folds put on timeline entries; only entries that have one.
    CREATE TABLE event_marks (
        tenant_id            text COLLATE "C" NOT NULL,
        stream               text COLLATE "C" NOT NULL,
        stream_id            text COLLATE "C" NOT NULL,
        source               text COLLATE "C" NOT NULL,
        event_id             text COLLATE "C" NOT NULL,
        duplicate_of_source  text COLLATE "C",
        duplicate_of_id      text COLLATE "C",
        retracted_by_source  text COLLATE "C",
        retracted_by_id      text COLLATE "C",
        anomalies            text[] COLLATE "C" NOT NULL DEFAULT '{}',
        unmatched            boolean NOT NULL DEFAULT false,
        PRIMARY KEY (tenant_id, stream, stream_id, source, event_id)
    );

    CREATE TABLE orders (
        tenant_id                   text COLLATE "C" NOT NULL,
        order_id                    text COLLATE "C" NOT NULL,
        known                       boolean NOT NULL, -- false: only others speak of it so far
        status                      text COLLATE "C" NOT NULL,
        revision                    bigint NOT NULL,
        number                      text,
        channel                     text,
        currency                    text,
        customer_ref                text,
        ship_to_ref                 text,
        placed_at                   timestamptz,
        confirmed_at                timestamptz,
        cancelled_at                timestamptz, -- the newest cancel
        closed_at                   timestamptz,
        shipped_at                  timestamptz, -- the first hand-over
        delivered_at                timestamptz, -- the last delivery, once every unit needed is delivered
        promise_original_start      timestamptz,
        promise_original_end        timestamptz,
        promise_original_precision  text COLLATE "C",
        promise_original_on         date,        -- the end's local day, where the promise is for a day
        promise_latest_start        timestamptz,
        promise_latest_end          timestamptz,
        promise_latest_precision    text COLLATE "C",
        promise_latest_on           date,
        requested_start             timestamptz,
        requested_end               timestamptz,
        requested_precision         text COLLATE "C",
        requested_on                date,
        holds                       text[] COLLATE "C" NOT NULL DEFAULT '{}',
        flags                       text[] COLLATE "C" NOT NULL DEFAULT '{}',
        payment                     text COLLATE "C" NOT NULL DEFAULT '',
        ordered                     bigint NOT NULL DEFAULT 0,
        cancelled                   bigint NOT NULL DEFAULT 0,
        allocated                   bigint NOT NULL DEFAULT 0,
        shipped                     bigint NOT NULL DEFAULT 0,
        delivered                   bigint NOT NULL DEFAULT 0,
        returned                    bigint NOT NULL DEFAULT 0,
        lost                        bigint NOT NULL DEFAULT 0,
        state                       jsonb NOT NULL,
        updated_at                  timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, order_id)
    ) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
    CREATE INDEX orders_status ON orders (status, tenant_id);

    CREATE TABLE order_lines (
        tenant_id    text COLLATE "C" NOT NULL,
        order_id     text COLLATE "C" NOT NULL,
        line_id      text COLLATE "C" NOT NULL,
        sku          text,
        unit_price   numeric,
        ordered      bigint NOT NULL,
        cancelled    bigint NOT NULL,
        allocated    bigint NOT NULL,
        backordered  bigint NOT NULL,
        shipped      bigint NOT NULL,
        delivered    bigint NOT NULL,
        returned     bigint NOT NULL,
        lost         bigint NOT NULL,
        PRIMARY KEY (tenant_id, order_id, line_id)
    ) WITH (fillfactor = 75);

    CREATE TABLE shipments (
        tenant_id             text COLLATE "C" NOT NULL,
        shipment_id           text COLLATE "C" NOT NULL,
        known                 boolean NOT NULL, -- false: it was not created yet
        status                text COLLATE "C" NOT NULL,
        status_since          timestamptz,
        revision              bigint NOT NULL,
        direction             text COLLATE "C" NOT NULL DEFAULT '',
        original_shipment_id  text COLLATE "C",
        carrier               text COLLATE "C",
        service               text,
        origin                text,
        destination           text,
        promise_start         timestamptz,
        promise_end           timestamptz,
        promise_precision     text COLLATE "C",
        promise_on            date,
        eta_start             timestamptz,
        eta_end               timestamptz,
        eta_provider          text,
        lat                   double precision,
        lon                   double precision,
        position_at           timestamptz,
        parcel_count          int NOT NULL,
        numbers               text[] COLLATE "C" NOT NULL DEFAULT '{}',
        order_ids             text[] COLLATE "C" NOT NULL DEFAULT '{}',
        first_scan_at         timestamptz, -- the first physical one
        last_scan_at          timestamptz,
        last_scan_type        text COLLATE "C",
        last_location         text,
        open_exceptions       int NOT NULL,
        exception_count       int NOT NULL,
        disputed              boolean NOT NULL,
        gap                   boolean NOT NULL,
        damaged               boolean NOT NULL,
        customs_held          boolean NOT NULL,
        state                 jsonb NOT NULL,
        updated_at            timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, shipment_id)
    ) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
    CREATE INDEX shipments_status ON shipments (status, tenant_id);

    CREATE TABLE parcels (
        tenant_id         text COLLATE "C" NOT NULL,
        shipment_id       text COLLATE "C" NOT NULL,
        parcel_id         text COLLATE "C" NOT NULL, -- '' stands in while none is named
        status            text COLLATE "C" NOT NULL,
        status_since      timestamptz,
        first_scan_at     timestamptz,
        last_scan_at      timestamptz,
        last_scan_type    text COLLATE "C",
        last_location     text,
        handed_over_at    timestamptz, -- the first physical state
        available_at      timestamptz, -- first available for pickup
        first_attempt_at  timestamptz,
        attempts          int NOT NULL,
        delivered_at      timestamptz, -- the first effective delivery
        delivered_on      date,        -- its local day
        disputed          boolean NOT NULL,
        gap               boolean NOT NULL,
        PRIMARY KEY (tenant_id, shipment_id, parcel_id)
    ) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

    CREATE TABLE shipment_contents (
        tenant_id       text COLLATE "C" NOT NULL,
        shipment_id     text COLLATE "C" NOT NULL,
        order_id        text COLLATE "C" NOT NULL,
        line_id         text COLLATE "C" NOT NULL,
        parcel_id       text COLLATE "C" NOT NULL, -- '' is spread over all parcels
        direction       text COLLATE "C" NOT NULL,
        qty             bigint NOT NULL,
        shipped         bigint NOT NULL,
        delivered       bigint NOT NULL,
        returned        bigint NOT NULL,
        lost            bigint NOT NULL,
        handed_over_at  timestamptz,
        delivered_at    timestamptz,
        PRIMARY KEY (tenant_id, shipment_id, order_id, line_id, parcel_id)
    ) WITH (fillfactor = 75);
    CREATE INDEX shipment_contents_order ON shipment_contents (order_id, tenant_id);

    -- The row that a scan and an assignment of a number both lock; never deleted.
    CREATE TABLE carrier_numbers (
        tenant_id        text COLLATE "C" NOT NULL,
        carrier          text COLLATE "C" NOT NULL,
        tracking_number  text COLLATE "C" NOT NULL,
        retractions      boolean NOT NULL DEFAULT false, -- its stream has taken something back
        PRIMARY KEY (tenant_id, carrier, tracking_number)
    );

    CREATE TABLE tracking_numbers (
        tenant_id        text COLLATE "C" NOT NULL,
        carrier          text COLLATE "C" NOT NULL,
        tracking_number  text COLLATE "C" NOT NULL,
        valid_from       timestamptz NOT NULL, -- -infinity: from the beginning
        shipment_id      text COLLATE "C" NOT NULL,
        source           text COLLATE "C" NOT NULL,
        event_id         text COLLATE "C" NOT NULL,
        valid_to         timestamptz NOT NULL, -- excluded; infinity: still held; equal to valid_from: lost the tie
        parcel_id        text COLLATE "C" NOT NULL,
        occurred_at      timestamptz NOT NULL, -- with recorded_at, what settles a tie
        recorded_at      timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, carrier, tracking_number, valid_from, shipment_id, source, event_id)
    );
    CREATE INDEX tracking_numbers_shipment ON tracking_numbers (shipment_id, tenant_id);

    CREATE TABLE eta_history (
        tenant_id    text COLLATE "C" NOT NULL,
        stream       text COLLATE "C" NOT NULL,
        stream_id    text COLLATE "C" NOT NULL,
        source       text COLLATE "C" NOT NULL,
        event_id     text COLLATE "C" NOT NULL,
        shipment_id  text COLLATE "C" NOT NULL,
        type         text COLLATE "C" NOT NULL,
        class        text COLLATE "C" NOT NULL,
        eta_start    timestamptz,
        eta_end      timestamptz NOT NULL,
        provider     text,
        confidence   double precision,
        reason_code  text,
        known_at     timestamptz NOT NULL, -- when the source knew
        PRIMARY KEY (tenant_id, stream, stream_id, source, event_id)
    );
    CREATE INDEX eta_history_shipment ON eta_history (shipment_id, tenant_id);

    CREATE TABLE unmatched_scans (
        tenant_id        text COLLATE "C" NOT NULL,
        stream           text COLLATE "C" NOT NULL,
        stream_id        text COLLATE "C" NOT NULL,
        source           text COLLATE "C" NOT NULL,
        event_id         text COLLATE "C" NOT NULL,
        carrier          text COLLATE "C" NOT NULL,
        tracking_number  text COLLATE "C" NOT NULL,
        type             text COLLATE "C" NOT NULL,
        occurred_at      timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, stream, stream_id, source, event_id)
    );

    CREATE TABLE exceptions (
        tenant_id        text COLLATE "C" NOT NULL,
        shipment_id      text COLLATE "C" NOT NULL,
        exception_id     text COLLATE "C" NOT NULL,
        parcel_id        text COLLATE "C" NOT NULL,
        status           text COLLATE "C" NOT NULL, -- open or resolved
        reason_code      text,
        party            text COLLATE "C",
        severity         text COLLATE "C",
        action_required  boolean NOT NULL,
        opened_at        timestamptz,
        resolved_at      timestamptz,
        PRIMARY KEY (tenant_id, shipment_id, exception_id)
    ) WITH (fillfactor = 75);
    CREATE INDEX exceptions_open ON exceptions (tenant_id) WHERE status = 'open';

    FOREACH tbl IN ARRAY ARRAY['event_marks', 'orders', 'order_lines', 'shipments', 'parcels', 'shipment_contents',
        'carrier_numbers', 'tracking_numbers', 'eta_history', 'unmatched_scans', 'exceptions'] LOOP
        PERFORM waybill.secure(format('%I.%I', rm, tbl)::regclass);
    END LOOP;
END $fn$;
-- +goose StatementEnd

-- use_read_model points the views that SQL users read at a version. A view runs
-- with its caller's rights, so row level security holds through it.
-- +goose StatementBegin
CREATE FUNCTION waybill.use_read_model(new_version int) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['event_marks', 'orders', 'order_lines', 'shipments', 'parcels', 'shipment_contents',
        'tracking_numbers', 'eta_history', 'unmatched_scans', 'exceptions'] LOOP
        EXECUTE format('DROP VIEW IF EXISTS waybill.%I', tbl);
        EXECUTE format('CREATE VIEW waybill.%I WITH (security_invoker = true) AS SELECT * FROM %I.%I',
            tbl, 'rm_' || new_version, tbl);
        EXECUTE format('GRANT SELECT ON waybill.%I TO waybill_reader, waybill_projector', tbl);
    END LOOP;
    UPDATE waybill.read_model SET version = new_version;
END $fn$;
-- +goose StatementEnd

SELECT waybill.create_read_model(1);
SELECT waybill.use_read_model(1);
