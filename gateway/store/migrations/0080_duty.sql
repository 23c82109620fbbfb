-- What somebody on duty looks at: events that go on, and what came in lately.

CREATE INDEX member_goes_on ON alerting.member (event_id) WHERE state = 'open';
CREATE INDEX inbox_received ON alerting.inbox (received_at);
CREATE INDEX silence_ahead ON alerting.silence (ends_at);

ALTER TABLE alerting.acknowledgement
    DROP CONSTRAINT acknowledgement_via_check,
    ADD CONSTRAINT acknowledgement_via_check CHECK (via IN ('command', 'link', 'account'));  -- account: somebody signed in, or a key
