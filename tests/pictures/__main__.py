"""Make the pictures whose file has a given text in its name; all of them without an argument."""

import sys

from tests.pictures.camera import LOCALES, open_browser, open_page, take_all
from tests.pictures.list import PICTURES
from tests.pictures.picture import PHONE
from tests.pictures.stage import run_demo


def main(texts: list[str]) -> None:
    pictures = [picture for picture in PICTURES if not texts or any(text in picture.file for text in texts)]
    if not pictures:
        sys.exit(f"no picture has {' or '.join(texts)} in its name: see tests/pictures/list.py")
    with run_demo() as stage:
        with open_browser("nl") as browser, open_page(browser, PHONE, "nl") as page:
            stage.subscribe_resident(page)
        stage.wait_for_peak()
        for language in LOCALES:
            with open_browser(language) as browser:
                take_all(browser, [picture for picture in pictures if picture.language == language], stage)


if __name__ == "__main__":
    main(sys.argv[1:])
