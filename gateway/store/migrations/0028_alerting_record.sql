-- What was decided, sent and answered is a record: it is added to, never changed. And under which rules it was sent.

ALTER TABLE alerting.delivery
    ADD COLUMN rules text NOT NULL DEFAULT '',   -- hash of the rules that decided it, as alerting.decision has it
    ADD COLUMN bytes int NOT NULL DEFAULT 0;     -- how many bytes were sent; sha256 is of exactly these

CREATE FUNCTION alerting.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is a record: rows are added, never changed or removed', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['decision', 'delivery', 'acknowledgement'] LOOP
        EXECUTE format('CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON alerting.%I
                        FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change()', kept);
    END LOOP;
END $$;

-- Of an alert that came in only its handling changes; of a silence only its end, which never lies in the past.
CREATE TRIGGER is_a_record BEFORE UPDATE OF event_id, revision, alert ON alerting.inbox
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
CREATE TRIGGER is_never_removed BEFORE DELETE OR TRUNCATE ON alerting.inbox
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
CREATE TRIGGER is_a_record BEFORE UPDATE OF match, author, reason, starts_at, kind ON alerting.silence
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
CREATE TRIGGER is_never_removed BEFORE DELETE OR TRUNCATE ON alerting.silence
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
CREATE TRIGGER is_never_removed BEFORE DELETE OR TRUNCATE ON alerting.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
