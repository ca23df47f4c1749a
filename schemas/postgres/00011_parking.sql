-- +goose Up
-- Records that wait behind a dead letter of their key until it is settled.

CREATE TABLE waybill.parked_keys (
    projection  text COLLATE "C" NOT NULL,
    topic       text COLLATE "C" NOT NULL,
    partition   int NOT NULL,
    key         bytea NOT NULL,
    head        bigint NOT NULL, -- the offset of the dead letter
    parked_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, partition, key)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX parked_keys_head ON waybill.parked_keys (projection, topic, partition, head);
COMMENT ON TABLE waybill.parked_keys IS 'keys whose later records wait until a dead letter is replayed or discarded; whoever adds to them or lets them go locks the row';

CREATE TABLE waybill.parked_records (
    projection  text COLLATE "C" NOT NULL,
    topic       text COLLATE "C" NOT NULL,
    partition   int NOT NULL,
    key         bytea NOT NULL,
    "offset"    bigint NOT NULL,
    value       bytea,
    headers     json NOT NULL, -- as in dead_letters
    record_ms   bigint,
    class       text COLLATE "C" NOT NULL DEFAULT '', -- of the dead letter that it would have become, '' of none
    message     text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, partition, key, "offset")
);
COMMENT ON TABLE waybill.parked_records IS 'records that wait, whole, in the order of their offsets';

GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.parked_keys, waybill.parked_records TO waybill_projector;
