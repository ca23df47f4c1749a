-- +goose Up
-- What transactions of the projector lock instead of rows: entities of a kind by
-- a hash of their key, so that one that has no row yet can be locked too.
CREATE TABLE waybill.projection_locks (
    kind    text COLLATE "C" NOT NULL,
    bucket  int NOT NULL,
    PRIMARY KEY (kind, bucket)
);
COMMENT ON TABLE waybill.projection_locks IS 'rows for the projector to lock: numbers, then shipments, then orders, each by a hash of their key';
INSERT INTO waybill.projection_locks SELECT kind, bucket FROM unnest(ARRAY['number', 'shipment', 'order']) kind, generate_series(0, 255) bucket;
GRANT SELECT, UPDATE ON waybill.projection_locks TO waybill_projector;
