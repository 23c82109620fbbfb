"""The public log of an area: an append-only Merkle tree over what was measured, decided and sent.

The pure modules (`merkle`, `tiles`, `leaf`, `checkpoint`, `cosignature`, `proof_file`, `policy`) need only
`edge_agent.signing`: a witness and a verifier run without the database and without numpy.

Sources: RFC 6962 (hashes, proofs); https://c2sp.org (tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof,
tlog-policy).
"""
