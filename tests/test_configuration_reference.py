"""docs/configuration.md lists every key of the configuration files, with its meaning, as the code has them now."""

from typing import Annotated, get_args, get_type_hints

import pytest
from msgspec import Meta, Struct

from edge_agent.configuration import ConfigurationError, convert_table
from edge_agent.settings import Settings as AgentSettings
from gateway.enrolment.site_file import SiteFile
from gateway.settings import Settings
from gateway.witness.settings import WitnessSettings
from tests.configuration_reference import PAGE, describe_type, find_faults, list_tables, read_docstring, render


def test_every_key_has_a_meaning_and_every_meaning_a_key():
    assert not find_faults()


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == render(), "run `make configuration`"


def settings_types(hint):
    """Every settings type that an annotation leads to."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        yield hint
        for inner in get_type_hints(hint, include_extras=True).values():
            yield from settings_types(inner)
    else:
        for argument in get_args(hint):
            yield from settings_types(argument)


def test_every_key_of_every_settings_type_is_on_the_page():
    documented = {
        (section.struct, key.name)
        for sections in list_tables().values()
        for section in sections
        for key in section.keys
    }
    for root in (Settings, AgentSettings, SiteFile, WitnessSettings):
        for struct in settings_types(root):
            hints = get_type_hints(struct, include_extras=True)
            for name in struct.__struct_encode_fields__:
                is_table = any(settings_types(hints[name]))
                assert is_table or any((base, name) in documented for base in struct.__mro__), (struct, name)


class Sensor(Struct):
    """`[sensor]`: a thing that measures.

    It has a range.

    name   name in the log,
           also in health messages
    range  limits
    """

    name: str
    range: Annotated[list[Annotated[float, Meta(ge=0)]], Meta(min_length=1)]


def test_meanings_are_read_from_the_docstring():
    prose, meanings = read_docstring(Sensor)
    assert prose == "A thing that measures. It has a range."
    assert meanings == {"name": "name in the log, also in health messages", "range": "limits"}
    assert describe_type(Sensor.__annotations__["range"]) == "list of number, ≥ 0, not empty"


def renamed_keys():
    """(root type, path of the table, former key, present key) of every renamed key."""
    for root, sections in zip(
        (Settings, AgentSettings, SiteFile, WitnessSettings), list_tables().values(), strict=True
    ):
        for section in sections:
            for former, present in getattr(section.struct, "FORMER_KEYS", {}).items():
                yield pytest.param(root, section, former, present, id=f"{section.title} {former}")


@pytest.mark.parametrize(("root", "section", "former", "present"), list(renamed_keys()))
def test_a_former_key_is_an_error_that_names_the_present_one(root, section, former, present):
    assert present in section.struct.__struct_encode_fields__
    assert former not in section.struct.__struct_encode_fields__
    path = section.title.strip("[]")
    table = {former: 1}
    for name in reversed(path.split(".")):
        table = {name: table}
    with pytest.raises(ConfigurationError) as raised:
        convert_table(table, root, source="piekwacht.toml")
    assert str(raised.value) == f"piekwacht.toml: unknown key `{path}.{former}`; it is called `{path}.{present}` now"


def test_there_are_former_keys():
    assert len(list(renamed_keys())) == 21
