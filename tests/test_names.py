"""Names and folders of the packages. `python -m tests.measure_house` prints the whole table."""

from pathlib import Path

import pytest

from tests.measure_house import (
    PACKAGES,
    banned_names,
    classes_of_one_name,
    modules,
    positional_row_accesses,
    root_modules,
    vague_identifiers,
)

REPO = Path(__file__).parents[1]

# psycopg has 1.1, structlog 0.5 and httpx 0.3 per 1,000 lines; 5 leaves room for a few exceptions.
VAGUE_PER_1000_LINES = 5.0
# Folders of tests with banned names that still have to be renamed.
EXCLUDED = (
    "tests/benchmarks/",
    "tests/gateway/detection/",
    "tests/gateway/evaluation/",
    "tests/gateway/ingest/",
)
# A row has names (`class_row`); the few left are single-column results such as `count(*)`.
POSITIONAL_ROW_ACCESSES = 10
# The root of a package has only these modules; every other module has a folder.
ROOTS = {
    "gateway": {"__init__", "__main__", "errors", "settings", "telemetry"},
    "alerting": {
        "__init__",
        "alert",
        "averaging",
        "catalogue",
        "cli",
        "errors",
        "inbox",
        "log",
        "plume",
        "rows",
        "settings",
        "sql",
        "telemetry",
        "templates",
        "vocabulary",
    },
}
_SCHEMA = "the API's schema mirrors the class of the domain under the name that clients read"
_SIDES = "agent and gateway read their own file; neither imports the other"
_ALONE_PATH = "gateway/verification/standalone/verify.py"
_ALONE = "verify.py is one file that imports nothing of the project and reads the same formats"
# Public classes that share a name on purpose: their modules, and why.
SHARED_NAMES = {
    "Acknowledgement": ({"gateway/api/schemas/inspector.py", "alerting/record/acknowledgement.py"}, _SCHEMA),
    "Reading": (
        {"gateway/api/schemas/observations.py", "edge_agent/sensors/sensor.py"},
        "the API's raw observation keeps the name of the node's reading, which clients read",
    ),
    "Alert": ({"gateway/api/schemas/alerts.py", "alerting/alert.py"}, _SCHEMA),
    "Area": ({"gateway/api/schemas/places.py", "gateway/model/registry.py"}, _SCHEMA),
    "Datastream": ({"gateway/api/schemas/places.py", "gateway/model/registry.py"}, _SCHEMA),
    "Event": ({"gateway/api/schemas/events.py", "gateway/model/event.py"}, _SCHEMA),
    "Neighbours": ({"gateway/api/schemas/events.py", "gateway/model/event.py"}, _SCHEMA),
    "ObservedProperty": ({"gateway/api/schemas/places.py", "gateway/model/registry.py"}, _SCHEMA),
    "Plume": ({"gateway/api/schemas/plumes.py", "alerting/plume.py"}, _SCHEMA),
    "PlumeEvent": ({"gateway/api/schemas/plumes.py", "alerting/plume.py"}, _SCHEMA),
    "Silence": ({"gateway/api/schemas/inspector.py", "alerting/decide/silence.py"}, _SCHEMA),
    "SiteReport": ({"gateway/api/schemas/statements.py", "gateway/reconciliation/site_statements.py"}, _SCHEMA),
    "SiteValue": ({"gateway/api/schemas/statements.py", "gateway/reconciliation/site_statements.py"}, _SCHEMA),
    "Station": ({"gateway/api/schemas/places.py", "gateway/model/registry.py"}, _SCHEMA),
    "Site": ({"gateway/api/schemas/places.py", "gateway/model/registry.py"}, _SCHEMA),
    "Wind": ({"gateway/api/schemas/events.py", "gateway/model/event.py"}, _SCHEMA),
    "BrokerSettings": ({"gateway/mqtt/settings.py", "edge_agent/broker.py"}, _SIDES),
    "LogSettings": ({"gateway/system/logging_setup.py", "edge_agent/settings.py"}, _SIDES),
    "Settings": ({"gateway/settings.py", "edge_agent/settings.py"}, _SIDES),
    "Checkpoint": ({"gateway/transparency/checkpoint.py", _ALONE_PATH}, _ALONE),
    "Head": ({"gateway/verification/membership.py", _ALONE_PATH}, _ALONE),
    "Membership": ({"gateway/verification/membership.py", _ALONE_PATH}, _ALONE),
    "Policy": ({"gateway/transparency/policy.py", _ALONE_PATH}, _ALONE),
    "ProofError": ({"gateway/transparency/errors.py", _ALONE_PATH}, _ALONE),
    "VerificationStep": ({"gateway/verification/step.py", _ALONE_PATH}, _ALONE),
    "SignedBatch": (
        {"gateway/verification/evidence_file.py", "edge_agent/spool.py"},
        "the batch with the bytes that the node signed, in its spool and in a file about it",
    ),
    "TlsSettings": ({"gateway/mqtt/settings.py", "edge_agent/broker.py"}, _SIDES),
}

# Fields that clients of the API, programs and readers of evidence have: another name would break them.
PUBLISHED_NAMES = {
    ("gateway/api/schemas/detection.py", "found"),
    ("gateway/api/schemas/inspector.py", "told"),
    ("gateway/evaluation/selftest/statistics.py", "found"),
    ("alerting/record/history.py", "told"),
}


@pytest.fixture(scope="module")
def packages():
    return {package: modules(REPO, package) for package in PACKAGES}


def listing(places):
    return "\n".join(map(str, places))


@pytest.mark.parametrize("package", PACKAGES)
def test_few_identifiers_are_vague(packages, package):
    lines = sum(len(module.lines) for module in packages[package])
    places = [place for module in packages[package] for place in vague_identifiers(module)]
    share = 1_000 * len(places) / lines
    assert share < VAGUE_PER_1000_LINES, f"{share:.1f} vague names per 1,000 lines of {package}:\n{listing(places)}"


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_no_name_is_banned(package):
    """A name is a noun for a thing, or verb and object for a function."""
    places = [
        place
        for module in modules(REPO, package)
        if not module.path.startswith(EXCLUDED)
        for place in banned_names(module)
        if (place.path, place.text) not in PUBLISHED_NAMES
    ]
    assert not places, f"name these for what they hold:\n{listing(places)}"


def test_every_exclusion_still_has_a_banned_name():
    """An exclusion of a clean folder would let new ones in."""
    paths = {place.path for module in modules(REPO, "tests") for place in banned_names(module)}
    clean = [prefix for prefix in EXCLUDED if not any(path.startswith(prefix) for path in paths)]
    assert not clean, f"remove these from EXCLUDED: {clean}"


def test_rows_are_read_by_name(packages):
    places = [place for parsed in packages.values() for module in parsed for place in positional_row_accesses(module)]
    assert len(places) < POSITIONAL_ROW_ACCESSES, f"{len(places)} positional row accesses:\n{listing(places)}"


def test_a_public_class_has_a_name_of_its_own(packages):
    shared = classes_of_one_name([module for parsed in packages.values() for module in parsed])
    wrong = [
        place
        for name, places in shared.items()
        if sorted(place.path for place in places) != sorted(SHARED_NAMES.get(name, (set(),))[0])
        for place in places
    ]
    assert not wrong, f"public classes of one name, not in SHARED_NAMES:\n{listing(wrong)}"


def test_every_shared_name_is_still_shared(packages):
    shared = classes_of_one_name([module for parsed in packages.values() for module in parsed])
    assert set(SHARED_NAMES) <= set(shared), f"not shared any more: {sorted(set(SHARED_NAMES) - set(shared))}"


@pytest.mark.parametrize("package", ROOTS)
def test_the_root_of_a_package_has_only_its_listed_modules(package):
    extra = set(root_modules(REPO, package)) - ROOTS[package]
    assert not extra, f"in the root of {package}, give these a folder: {sorted(extra)}"


def test_the_measures_count_their_planted_cases(tmp_path):
    (tmp_path / "alerting").mkdir()
    (tmp_path / "alerting" / "module.py").write_text(
        "from m import f as told\n"
        "def kept(one, *rest, name): ...\n"
        "_found = [what for what in rows]\n"
        "found.given = asked(told)\n"
        "a = row[0] + r[12] + rows[3][1] + cursor.fetchone()[0] + row[-1] + row['id'] + values[0]\n"
        "row[2] = 1\n"
        "b = (await (await c.execute(q)).fetchone())[0]\n"
    )
    [module] = modules(tmp_path, "alerting")
    assert sorted(place.text for place in vague_identifiers(module)) == [
        "_found", "kept", "one", "rest", "told", "what",
    ]  # fmt: skip
    assert sorted(place.text for place in banned_names(module)) == ["_found", "kept", "one", "told"]
    assert sorted(place.line for place in positional_row_accesses(module)) == [5, 5, 5, 5, 6, 7]
