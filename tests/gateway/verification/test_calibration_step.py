"""A value that a calibration corrects is computed again from the logged coefficients, by both verifiers."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.quality.calibration import CalibrationVersion, calibrate
from gateway.quality.humidity_correction import AirHumidity
from gateway.transparency.sources import describe_calibration
from gateway.verification.evidence_file import LoggedDocument, PublishedValue
from tests.gateway.verification.both import check, states
from tests.gateway.verification.world import NODE, World, replace

ROW = {
    "node_id": NODE, "property_id": "pm2_5", "version": 3, "unit": "ug/m3", "valid_from": "2026-12-01T00:00:00+00:00",
    "valid_until": None, "sensor_model": "SPS30", "serial": None, "offset": -1.5, "slope": 0.8, "humidity_slope": 0.02,
    "kappa": 0, "uncertainty": None, "source": "report", "author": "GGD",
}  # fmt: skip
HUMIDITY = sum([80.0, 99.0, 82.5, 80.0, 100.0, 82.5]) / 6


def build_evidence(row, corrected=None, note=None):
    """Evidence of a value with the calibration of this row in the log; returns it and its policy."""
    world = World()
    new = describe_calibration(row)
    world.log.add(new.leaf.encode())
    note = world.note()
    proof = world.log.prove(world.find(new.leaf.encode()), note, int(note.split(b"\n")[1]))
    document = LoggedDocument(document=new.document, leaf=new.leaf.encode().decode(), proof=proof)
    calibration = CalibrationVersion(
        node=row["node_id"], observed_property=row["property_id"], version=row["version"], sensor_model="", source="",
        author="", valid_from=datetime(2026, 12, 1, tzinfo=UTC), offset=row["offset"], slope=row["slope"],
        humidity_slope=row["humidity_slope"], kappa=row["kappa"],
    )  # fmt: skip
    if corrected is None:
        corrected, _ = calibrate(30.25, AirHumidity(percent=HUMIDITY, flags=0), calibration)
    published = PublishedValue(
        value=30.25, flags=["humidity"], corrected=corrected, rule=calibration.label.replace("@", " ")
    )
    evidence = world.evidence(note=note)
    claim = msgspec.structs.replace(evidence.claim, published=published)
    return msgspec.structs.replace(evidence, claim=claim, rules=[document]), world.policy()


@pytest.mark.parametrize(
    "terms", [{}, {"kappa": 0.3}, {"humidity_slope": 0}, {"offset": 1, "slope": 2, "humidity_slope": 0}]
)
def test_the_corrected_value_follows_from_the_logged_coefficients(terms):
    evidence, policy = build_evidence({**ROW, **terms})
    verdict = check(evidence.encode(), policy=policy)
    assert (states(verdict)["rule"], states(verdict)["correction"]) == ("ok", "ok")


def test_a_straight_line_needs_no_other_batch_of_the_minute():
    evidence, policy = build_evidence({**ROW, "humidity_slope": 0})
    alone = msgspec.structs.replace(evidence, minute_batches=[])
    assert states(check(alone.encode(), policy=policy))["correction"] == "ok"
    evidence, policy = build_evidence(ROW)
    alone = msgspec.structs.replace(evidence, minute_batches=[])
    assert states(check(alone.encode(), policy=policy))["correction"] != "ok"


@pytest.mark.parametrize(
    ("changes", "corrected", "state"),
    [
        ({}, 23.0, "false"),
        ({"valid_until": "2026-12-02T01:00:00+00:00"}, None, "false"),
        ({"valid_from": "2026-12-02T03:00:00+00:00"}, None, "false"),
        ({"valid_until": "2026-12-02T03:00:00+00:00"}, None, "ok"),
        ({"node_id": "ijm-002"}, None, "false"),
        ({"property_id": "pm10"}, None, "false"),
    ],
)
def test_a_calibration_that_does_not_give_the_figure_or_does_not_hold_is_false(changes, corrected, state):
    evidence, policy = build_evidence({**ROW, **changes}, corrected)
    assert states(check(evidence.encode(), policy=policy))["correction"] == state


def test_without_its_document_a_calibration_is_not_checked_and_with_another_the_rule_is_false():
    evidence, policy = build_evidence(ROW)
    alone = msgspec.structs.replace(evidence, rules=[])
    assert states(check(alone.encode(), policy=policy))["correction"] == "not checked"
    document = json.loads(evidence.rules[0].document)
    document["parameters"]["slope"] = 0.9
    swapped = replace(evidence, "rules.0.document", json.dumps(document))
    assert states(check(swapped, policy=policy))["rule"] == "false"
