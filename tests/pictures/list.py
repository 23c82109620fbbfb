"""Every picture in docs/images that a program makes. A new picture is a new row here, and a reference in a document."""

from playwright.sync_api import Page

from tests.pictures.picture import DESKTOP, PHONE, PHONE_DARK, Look, Picture

_MAIL = Look(size={"width": 720, "height": 820})
_NOTICE = Look(size={"width": 560, "height": 700})
_TERMINAL = Look(size={"width": 1200, "height": 580})


def _choose_own_place(page: Page) -> None:
    page.fill("#place", "Wijk aan Zee")
    page.press("#place", "Enter")
    page.wait_for_timeout(1_500)


def _check_an_hour(page: Page) -> None:
    """Check the highest reading of an hour before the demo: its evidence is in the public log."""
    page.locator("[aria-labelledby=hours] .check-link").nth(3).click()
    page.wait_for_selector("#verdict:not(:empty)")
    page.wait_for_selector("#checks li")


README = (
    Picture(file="map.png", address="{site}/nl/"),
    Picture(file="mail.png", address="{mail}", look=_MAIL, is_whole=True),
    Picture(file="terminal.png", address="{terminal}", look=_TERMINAL, is_whole=True),
)


def _list_resident_pictures(language: str) -> list[Picture]:
    """The pictures of the guide for residents in one language."""
    site = "{site}/" + language

    def describe(name: str) -> str:
        return f"resident/{name}.{language}.png"

    return [
        Picture(
            file=describe("first-screen"), address=site + "/", look=PHONE, language=language, prepare=_choose_own_place
        ),
        Picture(file=describe("first-screen-dark"), address=site + "/", look=PHONE_DARK, language=language),
        Picture(file=describe("map"), address=site + "/", look=DESKTOP, language=language, only=".where"),
        Picture(file=describe("peak"), address=site + "/plumes/{plume}", look=PHONE, language=language),
        Picture(
            file=describe("station"), address=site + "/stations/{station}?period=day", look=PHONE, language=language
        ),
        Picture(file=describe("form"), address=site + "/waarschuw-mij", look=PHONE, language=language),
        Picture(
            file=describe("verify"),
            address=site + "/stations/{station}",
            look=PHONE,
            language=language,
            prepare=_check_an_hour,
        ),
    ]


RESIDENT = (
    *_list_resident_pictures("nl"),
    *_list_resident_pictures("en"),
    Picture(file="resident/notice.nl.png", address="{notice}", look=_NOTICE, is_whole=True),
)
INSPECTOR = tuple(
    Picture(file=f"inspector/{name}.png", address=f"{{site}}/nl/inspector{path}", look=PHONE, needs_staff=True)
    for name, path in (
        ("inbox", ""),
        ("plume", "/plumes/{plume}"),
        ("calendar", "/calendar"),
        ("wind", "/wind"),
        ("duty", "/duty"),
    )
)
OPERATOR = tuple(
    Picture(
        file=f"operator/{name}.png",
        address=f"{{site}}/en/operator{path}",
        look=look,
        language="en",
        needs_staff=True,
        as_operator=True,
    )
    for name, path, look in (
        ("fleet", "", DESKTOP),
        ("node", "/nodes/{node}", PHONE),
        ("revoke", "/nodes/{node}/revoke", PHONE),
        ("storage", "/storage", PHONE),
    )
)
PICTURES = (*README, *RESIDENT, *INSPECTOR, *OPERATOR)
