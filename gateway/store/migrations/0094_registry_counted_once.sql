-- The registry's one version is counted up once a transaction, not once a statement: a site file of 10,000 nodes is
-- 40,000 statements, and each left a dead row for the next to walk over. Whoever reads sees the same, for nothing of
-- a transaction is seen before its end. The mark is a setting and not a column, so that a dump carries no number of a
-- transaction elsewhere; like the row it goes back with a savepoint, and ends with the transaction.

CREATE OR REPLACE FUNCTION registry_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('piekwacht.registry_counted_in', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        UPDATE registry_version SET version = version + 1;
        PERFORM set_config('piekwacht.registry_counted_in', pg_current_xact_id()::text, true);
    END IF;
    RETURN NULL;
END $$;
