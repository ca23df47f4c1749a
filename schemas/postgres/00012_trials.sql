-- +goose Up
-- Whose mark it is, so that an owner which was taken for dead and lives can take
-- it back; and whether an owner is having the partition's records tried, or died
-- of that.
ALTER TABLE waybill.attempts ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
ALTER TABLE waybill.attempts ADD COLUMN trial text COLLATE "C" NOT NULL DEFAULT 'none' CHECK (trial IN ('none', 'running', 'deadly'));
