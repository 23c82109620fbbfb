-- The cases of a plume are read as one case.

CREATE INDEX inbox_by_plume ON alerting.inbox ((alert ->> 'plume')) WHERE alert ->> 'plume' <> '';
