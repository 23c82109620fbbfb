-- Evidence comes by COPY, which knows no expressions: the database's own clock at each row is when it was stored.

ALTER TABLE batch ALTER COLUMN committed_at SET DEFAULT clock_timestamp();
