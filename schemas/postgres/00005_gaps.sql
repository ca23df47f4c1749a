-- +goose Up
-- What an operator let go, and what was in hand when a process was killed.

CREATE TABLE waybill.lost_ranges (
    projection     text COLLATE "C" NOT NULL,
    topic          text COLLATE "C" NOT NULL,
    partition      int NOT NULL,
    epoch          bigint NOT NULL, -- of the position from then on
    cause          text COLLATE "C" NOT NULL CHECK (cause IN ('log_gap', 'other_log', 'by_choice')),
    from_offset    bigint NOT NULL,
    to_offset      bigint NOT NULL,
    log_start      bigint NOT NULL,
    log_end        bigint NOT NULL,
    cluster_id     text COLLATE "C" NOT NULL, -- of the log that the position was of
    to_cluster_id  text COLLATE "C" NOT NULL, -- of the log that it is of from then on
    reason         text NOT NULL CHECK (reason <> ''),
    accepted_by    text NOT NULL CHECK (accepted_by <> ''),
    accepted_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, partition, epoch)
);
COMMENT ON TABLE waybill.lost_ranges IS 'offsets that an operator had the projection move past without reading them, with the reason; from_offset and to_offset are of two logs when cause is other_log';
GRANT SELECT, INSERT ON waybill.lost_ranges TO waybill_projector;
GRANT SELECT ON waybill.lost_ranges TO waybill_reader;

-- How often a partition was claimed since an owner last left it in order: more
-- than once means that the owner before was killed, or cut off.
ALTER TABLE waybill.projection_offsets ADD COLUMN claims int NOT NULL DEFAULT 0;

CREATE TABLE waybill.attempts (
    projection   text COLLATE "C" NOT NULL,
    topic        text COLLATE "C" NOT NULL,
    partition    int NOT NULL,
    from_offset  bigint NOT NULL,
    to_offset    bigint NOT NULL,
    deaths       int NOT NULL DEFAULT 0, -- of owners that had just this in hand
    marked_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, topic, partition)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON waybill.attempts TO waybill_projector;
GRANT SELECT ON waybill.attempts TO waybill_reader;
