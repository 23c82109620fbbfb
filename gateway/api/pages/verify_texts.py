"""Keys of the texts of the page that checks a figure; the texts are in the catalogue, context `verify`."""

RESULTS = (
    "loading", "checking", "no_answer", "refused", "failed", "no_highest", "highest", "compared", "claim",
    "claim_batch", "verdict_ok", "verdict_partly", "verdict_incomplete", "verdict_false", "verdict_batch",
    "verdict_ok_guest", "verdict_partly_guest", "verdict_batch_guest",
    "by_file", "by_reader", "by_file_short", "by_reader_short", "state_ok", "state_false", "state_unchecked",
)  # fmt: skip
"""The result of a check as a whole."""
STEPS = (
    "step_file", "step_question", "step_signature", "step_policy", "step_batch", "step_heads", "step_dated",
    "step_minute_batch", "step_inclusion", "step_checkpoint", "step_witnesses", "step_node_key", "step_value",
    "step_published", "step_corrected", "step_events", "step_deliveries", "step_rules", "step_time_stamp",
)  # fmt: skip
"""Names of the steps."""
OUTCOMES = (
    "ok_question", "ok_signature", "ok_policy", "ok_heads", "ok_batch", "ok_inclusion", "ok_checkpoint",
    "ok_witnesses", "ok_node_key", "ok_value", "ok_published", "ok_signature_guest",
)  # fmt: skip
"""Outcome of a step that is right."""
FACTS = (
    "fact_bytes", "fact_content_hash", "fact_key", "fact_batch", "fact_leaf_hash", "fact_index", "fact_size",
    "fact_extra", "fact_computed_root", "fact_root", "fact_origin", "fact_quorum", "fact_witness", "fact_node",
    "fact_station", "fact_period", "fact_claimed", "fact_in_batch", "fact_published", "fact_flags", "fact_asked",
    "fact_shown", "fact_stamped", "fact_dated", "fact_count",
)  # fmt: skip
"""Labels of the things that a step compared."""
REASONS = (
    "no_ed25519", "no_crypto", "earlier_step", "no_witness", "not_here", "policy_of_file", "dated", "not_joined",
    "not_signed", "not_text", "base64", "base64_form", "json", "json_key_twice", "shape", "evidence_large",
    "moment", "note_unsigned", "note_end", "note_dash", "note_line", "verifier_form", "verifier_name",
    "verifier_key", "verifier_key_id", "unsigned_by", "forged", "weak_key", "key_of_other_node", "leaf_lines",
    "leaf_kind", "leaf_fields", "leaf_content", "no_key_leaf", "batch_identity", "no_leaf", "proof_long",
    "proof_short", "other_root", "proof_large", "proof_text", "proof_header", "proof_index", "proof_hashes",
    "hash", "checkpoint_large", "checkpoint_lines", "checkpoint_size", "checkpoint_empty", "checkpoint_origin",
    "checkpoint_unsigned", "witness_form", "witness_key", "witness_key_id", "cosignature_forged",
    "quorum_missed", "policy_line", "policy_kind", "policy_log", "policy_witness", "policy_group",
    "policy_twice", "policy_threshold", "policy_quorum_form", "policy_taken", "policy_undefined",
    "policy_key_twice", "policy_no_quorum", "policy_unknown_log", "forked", "shrunk", "key_of_other_station",
    "key_period", "key_in_other_log", "key_after_batch", "claim_of_other_node", "no_reading", "other_value",
    "other_flags", "published_value", "published_no_flag", "published_flag", "other_answer", "shown_value",
)  # fmt: skip
"""Reasons why a step is wrong or was not checked."""
VERIFY_TEXTS = (*RESULTS, *STEPS, *OUTCOMES, *FACTS, *REASONS)
