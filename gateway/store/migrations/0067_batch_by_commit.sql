-- The evidence of an event is found by the time at which it was committed; rows lie in that order, so a BRIN is enough.

CREATE INDEX batch_by_commit ON batch USING brin (committed_at) WITH (autosummarize = on);
