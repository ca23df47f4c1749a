-- +goose Up
-- What becomes of dead letters: their copies on <topic>.dlq, replays, and who
-- settled them.

ALTER TABLE waybill.dead_letters
    ADD COLUMN record_ms    bigint,
    ADD COLUMN published_at timestamptz,
    ADD COLUMN tried_at     timestamptz,
    ADD COLUMN settled_at   timestamptz,
    ADD COLUMN settled_by   text COLLATE "C",
    ADD COLUMN settled_why  text,
    ADD CONSTRAINT dead_letters_settled CHECK ((status = 'new') = (settled_at IS NULL)),
    ADD CONSTRAINT dead_letters_reason CHECK (status <> 'discarded' OR settled_why <> '');
COMMENT ON COLUMN waybill.dead_letters.headers IS '[[name, base64 of the value or null], ...] in the record''s order; a name that is no text has a third item, the base64 of it';
COMMENT ON COLUMN waybill.dead_letters.record_ms IS 'the record''s timestamp as the log has it, milliseconds since 1970, whatever the year';
COMMENT ON COLUMN waybill.dead_letters.published_at IS 'when <topic>.dlq acknowledged the copy';
COMMENT ON COLUMN waybill.dead_letters.tried_at IS 'when it was last replayed';
COMMENT ON COLUMN waybill.dead_letters.settled_at IS 'when it was replayed well, or discarded; by whom and why beside it';

-- Copies still to be published: rare, and looked for every second.
CREATE INDEX dead_letters_unpublished ON waybill.dead_letters (projection, topic, partition, "offset") WHERE published_at IS NULL;
