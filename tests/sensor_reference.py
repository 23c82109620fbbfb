"""The tables of docs/operator/sensors.md, from edge_agent/sensor_models.toml.

python -m tests.sensor_reference --write        (make sensors)
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from alerting.vocabulary import unit_symbol
from edge_agent.sensor_models import AMBIENT_ORDER, MODELS, PHYSICAL_BOUND, Inlet, Measurement, SensorModel
from gateway.model.properties import PROPERTIES

PAGE = Path(__file__).parents[1] / "docs" / "operator" / "sensors.md"
BEGIN, END = "<!-- tables: make sensors -->", "<!-- end of the tables -->"


def render(page: str) -> str:
    """The page with its tables as the file of models has them now."""
    before, _, after = page.partition(BEGIN)
    _, _, after = after.partition(END)
    return f"{before}{BEGIN}\n{''.join(_render_tables())}\n{END}{after}"


def _render_tables() -> Iterator[str]:
    yield f"\nThe order of the ambient instruments: {', '.join(AMBIENT_ORDER)}.\n"
    for model in MODELS.values():
        if model.measurements:
            yield _render_model(model)


def _render_model(model: SensorModel) -> str:
    aliases = f"; also {', '.join(model.aliases)}" if model.aliases else ""
    lines = [
        f"\n### {model.name}\n",
        f"{model.title}{aliases}. Source: {model.source}.\n",
        "| property | range | step | settles in | no measurement | air |",
        "|---|---|---|---|---|---|",
        *(_render_row(name, row) for name, row in model.measurements.items()),
    ]
    return "\n".join(lines) + "\n"


def _render_row(name: str, row: Measurement) -> str:
    unit = unit_symbol(PROPERTIES[name].unit)
    lowest, highest = (f"{bound:,.10g}" if abs(bound) < PHYSICAL_BOUND else "any" for bound in row.range)
    step = "not stated" if row.resolution is None else f"{row.resolution:g}"
    settling = f"{row.settling_seconds:g} s" if row.settling_seconds else "at once"
    air = "" if row.inlet is Inlet.AMBIENT else row.inlet.value
    return f"| {name} | {lowest} to {highest} {unit} | {step} | {settling} | {_render_sentinels(row)} | {air} |"


def _render_sentinels(row: Measurement) -> str:
    groups = ((row.no_value, "no value"), (row.beyond_range, "out of range"), (row.fault, "fault"))
    return "; ".join(f"{', '.join(_number(row, n) for n in numbers)}: {text}" for numbers, text in groups if numbers)


def _number(row: Measurement, number: float) -> str:
    return f"code {number:g}" if row.driver_converts else f"{number / row.counts_per_unit:g}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    PAGE.write_text(render(PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
