-- What exactly was sent, byte for byte, beside its hash: what a receiver shows can be compared with what we keep.

CREATE TABLE alerting.sent (
    sha256  bytea PRIMARY KEY,
    content bytea NOT NULL CHECK (sha256(content) = sha256)
);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON alerting.sent
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
