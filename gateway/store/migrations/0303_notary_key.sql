-- The public key of the notary. The gateway has the private one; it writes this row when it starts, so that the API can enrol guests.

CREATE TABLE notary (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    verifier_key text NOT NULL                  -- <name>+<key id>+<base64>, see edge_agent.signing
);
