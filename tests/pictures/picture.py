"""A picture of the documents: its page, its screen, and the part that is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
MAX_BYTES = 150_000  # of a picture


@dataclass(frozen=True, kw_only=True)
class Look:
    """A screen and its colours."""

    size: ViewportSize
    is_dark: bool = False


PHONE = Look(size={"width": 390, "height": 844})
PHONE_DARK = Look(size={"width": 390, "height": 844}, is_dark=True)
DESKTOP = Look(size={"width": 1280, "height": 900})
DESKTOP_DARK = Look(size={"width": 1280, "height": 900}, is_dark=True)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture.

    file         name below docs/images
    address      of the page, with the names of `stage.Addresses` in braces
    only         CSS selector of the part that is photographed; empty: what fits on the screen
    top          CSS selector of the part that the page is scrolled to
    is_whole     the whole length of the page
    prepare      acts on the page before the picture: opens a list, fills in a form
    needs_staff  the browser has signed in as the demo's inspector
    as_operator  with `needs_staff`: as an operator instead
    """

    file: str
    address: str
    look: Look = DESKTOP
    language: str = "nl"
    only: str = ""
    top: str = ""
    is_whole: bool = False
    prepare: Callable[[Page], None] | None = None
    needs_staff: bool = False
    as_operator: bool = False

    @property
    def path(self) -> Path:
        """The file that is written."""
        return FOLDER / self.file
