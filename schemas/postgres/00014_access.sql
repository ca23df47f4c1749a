-- +goose Up
-- Who may see something no longer, and who may see something after all:
-- revocations of tokens, and links to single shipments.

CREATE TABLE waybill.revocations (
    tenant_id      text COLLATE "C" NOT NULL,
    revocation_id  bigint GENERATED ALWAYS AS IDENTITY,
    subject        text COLLATE "C" NOT NULL DEFAULT '',
    token_id       text COLLATE "C" NOT NULL DEFAULT '',
    issued_before  timestamptz NOT NULL,
    reason         text NOT NULL DEFAULT '',
    revoked_by     text NOT NULL,
    revoked_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, revocation_id),
    CONSTRAINT revocations_of_something CHECK (subject <> '' OR token_id <> '')
);
CREATE INDEX revocations_revoked_at ON waybill.revocations (revoked_at);
COMMENT ON TABLE waybill.revocations IS 'tokens and links that were taken back, for as long as one of them could still be in use';
COMMENT ON COLUMN waybill.revocations.subject IS 'whose tokens; empty for whoever has the token of that id';
COMMENT ON COLUMN waybill.revocations.token_id IS 'the jti of one token or the id of one link; empty for all of the subject';
COMMENT ON COLUMN waybill.revocations.issued_before IS 'tokens issued before; with a token_id it is not looked at';

CREATE TABLE waybill.links (
    tenant_id    text COLLATE "C" NOT NULL,
    link_id      text COLLATE "C" NOT NULL,
    secret_hash  bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
    shipment_id  text COLLATE "C" NOT NULL,
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    PRIMARY KEY (tenant_id, link_id)
);
CREATE INDEX links_shipment ON waybill.links (shipment_id, tenant_id);
COMMENT ON TABLE waybill.links IS 'links that show one shipment to whoever has their secret';
COMMENT ON COLUMN waybill.links.secret_hash IS 'SHA-256 of the secret, which is kept nowhere';
COMMENT ON COLUMN waybill.links.link_id IS 'what the link is listed and revoked by; it opens nothing';

SELECT waybill.secure('waybill.revocations');
SELECT waybill.secure('waybill.links');

-- The gateway does not know beforehand whose token or link it will be shown: it
-- reads all revocations, and the one link whose hash it names.
CREATE POLICY gateway ON waybill.revocations FOR SELECT TO waybill_reader
    USING (current_setting('waybill.revocations', true) = 'all');
CREATE POLICY bearer ON waybill.links FOR SELECT TO waybill_reader
    USING (secret_hash = decode(current_setting('waybill.link', true), 'hex'));
