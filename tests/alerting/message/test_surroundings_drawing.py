"""The map of a mail shows facilities and wind in their direction from the station."""

import io

import pytest
from PIL import Image

from alerting.alert import AlertWind, NearSite
from alerting.message.surroundings_drawing import draw_surroundings
from tests.alerting.sample_alerts import make_alert

CENTRE = (520, 260)
BLACK, BLUE = (27, 31, 29), (219, 233, 244)


def draw(**changes):
    return Image.open(io.BytesIO(draw_surroundings(make_alert(**changes)))).convert("RGB")


def is_near(colour, expected):
    return all(abs(a - b) <= 8 for a, b in zip(colour, expected, strict=True))


@pytest.mark.parametrize(("bearing", "x", "y"), [(0, 0, -1), (90, 1, 0), (180, 0, 1), (270, -1, 0)])
def test_a_facility_and_the_sector_of_the_wind_lie_in_their_direction(bearing, x, y):
    image = draw(
        sites=(NearSite(name="Oven", bearing=bearing, distance=2000),), wind=AlertWind(direction=bearing, speed=4)
    )
    assert is_near(image.getpixel((CENTRE[0] + 220 * x + 11, CENTRE[1] + 220 * y + 11)), BLACK)
    assert is_near(image.getpixel((CENTRE[0] + 160 * x, CENTRE[1] + 160 * y)), BLUE)
    assert not is_near(image.getpixel((CENTRE[0] - 190 * x, CENTRE[1] - 190 * y)), BLUE)


def test_equal_alerts_give_equal_bytes_and_nothing_to_show_is_no_picture():
    site = NearSite(name="Oven", bearing=10, distance=0.5)
    assert draw_surroundings(make_alert(sites=(site,))) == draw_surroundings(make_alert(sites=(site,)))
    for changes in ({}, {"sites": (NearSite(name="here", bearing=0, distance=0),)}):
        with pytest.raises(ValueError, match="no facility"):
            draw_surroundings(make_alert(**changes))
