"""The rule of `gateway.model.validity` as SQL functions, generated from the classes of flags in `edge_agent.wire`.

A migration holds the text of `build_functions`; a test compares the two, and every result. If a class changes, that
test fails: write a migration with the new text that also computes the stored means again.

    is_excluded(flags)            whether a value with these flags counts nowhere
    is_undated(flags)             whether its time is not believed: it belongs into no bucket
    valid_value(value, flags)     the value if it counts, else NULL
    quality_flags(value, flags)   the flags, with out_of_range for a value beyond every physical bound

Each is one immutable expression, so that PostgreSQL writes it into the query that calls it. PostgreSQL expects `=` of
an expression to hold for one row in 200, and `<>` for all others: most readings are dated, so `is_undated` is an `=`.
"""

from edge_agent.wire import Flag
from gateway.model.validity import EXCLUDED_MASK, LARGEST_MAGNITUDE, UNDATED_MASK

_BOUND = f"{LARGEST_MAGNITUDE:.0f}"
_FUNCTION = """CREATE OR REPLACE FUNCTION {signature} RETURNS {result}
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT {expression}
$$;
"""
_VALUE_AND_FLAGS = "value double precision, flags int"


def build_functions() -> str:
    """Return the statements that create the functions."""
    is_possible = f"value BETWEEN -{_BOUND} AND {_BOUND}"
    functions = (
        ("is_excluded(flags int)", "boolean", f"flags & {EXCLUDED_MASK} <> 0"),
        ("is_undated(flags int)", "boolean", f"flags & {UNDATED_MASK} = {UNDATED_MASK}"),
        (
            f"valid_value({_VALUE_AND_FLAGS})",
            "double precision",
            f"CASE WHEN flags & {EXCLUDED_MASK} = 0 AND {is_possible} THEN value END",
        ),
        (
            f"quality_flags({_VALUE_AND_FLAGS})",
            "int",
            f"CASE WHEN value IS NULL OR {is_possible} THEN flags ELSE flags | {int(Flag.OUT_OF_RANGE)} END",
        ),
    )
    return "\n".join(
        _FUNCTION.format(signature=signature, result=result, expression=expression)
        for signature, result, expression in functions
    )
