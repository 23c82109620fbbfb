-- The time zone of an area: whose legal days its means, its files and its answers speak of.

ALTER TABLE area ADD COLUMN time_zone text NOT NULL DEFAULT 'Europe/Amsterdam';  -- an IANA name
