-- +goose Up
-- Dead letters that nobody has settled are counted by class again and again: a
-- metric must not read the letters for that.
CREATE INDEX dead_letters_new ON waybill.dead_letters (projection, class) WHERE status = 'new';
