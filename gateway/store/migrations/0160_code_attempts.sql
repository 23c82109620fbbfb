-- Codes are counted before they are judged, and only after the right password: who does not know the password of an
-- account cannot use up its codes. Delays of wrong passwords belong to their source and live in the API's memory.

ALTER TABLE access.account RENAME COLUMN failures TO code_attempts;
ALTER TABLE access.account RENAME COLUMN locked_until TO code_attempts_end;

UPDATE access.account SET code_attempts = 0, code_attempts_end = NULL;

COMMENT ON COLUMN access.account.code_attempts IS 'codes judged since the last right one, until code_attempts_end';
