"""Published levels have a source each, and are those of the documents."""

from datetime import date

import msgspec
import pytest

from edge_agent.configuration import ConfigurationError, load_toml
from gateway.assessment.indices import INDICES
from gateway.assessment.levels import (
    LEVELS,
    PARTICULATE_MATTER,
    LevelAveraging,
    _LevelFile,
    levels_of,
)
from gateway.model.properties import PROPERTIES


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_each_level_has_its_source_edition_and_date(level):
    assert len(level.source) > 20
    assert len(level.edition) >= 4
    assert date(2000, 1, 1) < level.published < date(2026, 12, 31)
    assert level.title.nl
    assert level.title.en
    assert level.title.nl != level.title.en
    assert level in levels_of(level.substance)
    if level.substance in PROPERTIES:
        assert PROPERTIES[level.substance].unit == "ug/m3"


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_the_id_names_the_document_the_substance_and_the_averaging(level):
    assert level.id.endswith(f"-{level.substance}-{level.averaging}")


@pytest.mark.parametrize("index", INDICES, ids=lambda index: index.id)
def test_each_index_has_its_source_edition_and_date_and_rising_edges(index):
    assert len(index.source) > 20
    assert len(index.edition) >= 4
    assert 2000 < int(index.published) < 2027
    assert len(index.classes.nl) == len(index.classes.en)
    for edges in index.edges.values():
        assert len(edges) == len(index.classes.nl) - 1
        assert sorted(set(edges)) == list(edges)


@pytest.mark.parametrize("field", ["source", "edition", "published", "title"])
def test_a_row_without_its_source_cannot_be_loaded(tmp_path, field):
    """The law of the tables: nothing without a source ships."""
    row = msgspec.to_builtins(next(iter(LEVELS.values())))
    row["title"] = msgspec.UNSET
    lines = ["[[level]]"]
    for name, value in row.items():
        if name not in {field, "title"} and value is not None:
            quoted = value if isinstance(value, int | float) or name == "published" else f'"{value}"'
            lines.append(f"{name} = {quoted}")
    if field != "title":
        lines.append('title = { nl = "a", en = "b" }')
    path = tmp_path / "levels.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigurationError, match=field):
        load_toml(path, _LevelFile)


@pytest.mark.parametrize("field", ["source", "edition"])
def test_a_row_with_an_empty_source_cannot_be_loaded(tmp_path, field):
    text = (
        '[[level]]\nid = "x"\nsubstance = "pm10"\naveraging = "day"\nvalue = 1\nkind = "limit"\n'
        'title = { nl = "a", en = "b" }\nsource = "Directive"\nedition = "2024"\npublished = 2024-11-20\n'
    )
    path = tmp_path / "levels.toml"
    path.write_text(text)
    assert load_toml(path, _LevelFile).level[0].value == 1
    path.write_text(text.replace('"Directive"' if field == "source" else '"2024"', '""'))
    with pytest.raises(ConfigurationError, match=field):
        load_toml(path, _LevelFile)


def test_particulate_matter_has_no_level_below_a_day():
    assert {level.averaging for level in LEVELS.values() if level.substance in PARTICULATE_MATTER} == {
        LevelAveraging.DAY,
        LevelAveraging.YEAR,
    }


def test_the_levels_are_those_of_the_documents():
    values = {level.id: (level.value, level.allowed) for level in LEVELS.values()}
    assert {key: value for key, value in values.items() if "-pm" in key} == {
        "who-2021-pm2_5-day": (15, 3),
        "who-2021-pm2_5-year": (5, None),
        "who-2021-pm10-day": (45, 3),
        "who-2021-pm10-year": (15, None),
        "eu-2008-pm10-day": (50, 35),
        "eu-2008-pm10-year": (40, None),
        "eu-2008-pm2_5-year": (25, None),
        "eu-2026-pm10-day": (50, 35),
        "eu-2026-pm10-year": (40, None),
        "eu-2026-pm2_5-year": (25, None),
        "eu-2030-pm2_5-day": (25, 18),
        "eu-2030-pm2_5-year": (10, None),
        "eu-2030-pm10-day": (45, 18),
        "eu-2030-pm10-year": (20, None),
        "eu-information-pm2_5-day": (50, None),
        "eu-information-pm10-day": (90, None),
        "eu-alert-pm2_5-day": (50, None),
        "eu-alert-pm10-day": (90, None),
    }
    assert values["eu-2030-no2-1h"] == (200, 3)
    assert values["eu-2026-no2-1h"] == (200, 18)
    assert values["eu-2026-so2-1h"] == (350, 24)
    assert values["eu-2026-so2-day"] == (125, 3)
    assert values["who-2021-so2-10min"] == (500, None)
    assert LEVELS["eu-alert-so2-1h"].consecutive_hours == 3
    assert LEVELS["eu-alert-o3-1h"].value == 240
    assert LEVELS["eu-information-so2-1h"].value == 275


def test_a_property_without_a_level_has_none():
    assert levels_of("voc") == []
    assert levels_of("") == []
