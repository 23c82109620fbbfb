-- What operators do: each act with what it changed, and a number of changes per node by which two operators notice each other.

ALTER TABLE access.audit
    ADD COLUMN area   text,               -- of the thing that was changed; NULL: of no area
    ADD COLUMN before jsonb,              -- what an act changed, as it was; NULL: there was nothing, or nothing was changed
    ADD COLUMN after  jsonb;
CREATE INDEX audit_by_area ON access.audit (area, id) WHERE area IS NOT NULL;

CREATE TABLE node_revision (              -- how often operators have changed a node
    node_id  text PRIMARY KEY REFERENCES node,
    revision int NOT NULL
);

CREATE TABLE database_size (              -- once a day, by `piekwacht upkeep run`: how fast the disk fills
    sampled_at timestamptz PRIMARY KEY DEFAULT now(),
    bytes      bigint NOT NULL
);
