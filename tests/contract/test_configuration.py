"""The error for a mistake in a configuration names its place and the nearest valid key."""

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from edge_agent.configuration import ConfigurationError, load_toml


class Inner(Struct, frozen=True, kw_only=True):
    address: int = 0
    file: Path | None = None


class Round(Struct, frozen=True, kw_only=True, tag_field="shape", tag="round"):
    radius: float


class Square(Struct, frozen=True, kw_only=True, tag_field="shape", tag="square"):
    side: float
    inner: Inner = Inner()


class Outer(Struct, frozen=True, kw_only=True):
    name: str
    limit: Annotated[int, Meta(ge=1)] = 1
    inner: Inner | None = None
    shapes: list[Round | Square] = []
    named: dict[str, Inner] = {}


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes) -> Outer:
        path = tmp_path / "some.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_toml(path, Outer)

    return read


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('nmae = "x"', "unknown key `nmae`; the nearest valid key is `name`"),
        ('name = "x"\n[inner]\nadress = 1', "unknown key `inner.adress`; the nearest valid key is `address`"),
        (
            'name = "x"\n[[shapes]]\nshape = "round"\nradius = 1\n[[shapes]]\nshape = "square"\nside = 1\nsied = 2',
            "unknown key `shapes[1].sied`; the nearest valid key is `side`",
        ),
        (
            'name = "x"\n[[shapes]]\nshape = "square"\nside = 1\n[shapes.inner]\nfiel = "x"',
            "unknown key `shapes[0].inner.fiel`; the nearest valid key is `file`",
        ),
        ('name = "x"\n[named.left]\naddres = 1', "unknown key `named.left.addres`; the nearest valid key is `address`"),
        ('name = "x"\nlimit = 0', "limit: Expected `int` >= 1"),
        ("limit = 1", "Object missing required field `name`"),
        ('name = "x"\n[[shapes]]\nshape = "oval"', "shapes[0].shape: Invalid value 'oval'"),
        ('name = "x"\n[inner]\nfile = 3', "inner.file: Expected"),
        ("name = ", "not TOML"),
        (b'name = "\xff"', "not TOML"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_path(read, tmp_path, text, sentence):
    with pytest.raises(ConfigurationError) as raised:
        read(text)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'some.toml'}: ")
    assert sentence in message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read"):
        load_toml(tmp_path / "nowhere.toml", Outer)


def test_paths_begin_in_the_folder_of_the_file(read, tmp_path):
    assert read('name = "x"\ninner = { file = "a/b" }').inner == Inner(file=tmp_path / "a/b")
    assert read('name = "x"\ninner = { file = "/a/b" }').inner == Inner(file=Path("/a/b"))
