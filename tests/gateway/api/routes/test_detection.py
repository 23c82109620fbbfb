"""What is published of the detector's tests: at an address, on a page, for Prometheus."""

from datetime import UTC, datetime

import psycopg
import pytest

HOUR = datetime(2026, 11, 20, 3, tzinfo=UTC)


def an_hour_of_results(dsn, detector="peak@2#7ec8e0b6", found=117, of=120):
    """An hour's results, as the self-test keeps them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO selftest_hour VALUES ('ijmond', %s, %s)", [detector, HOUR])
        connection.execute(
            """INSERT INTO selftest_peak
               SELECT 'ijmond', %s, %s, i, 'pm2_5', 'wijk-aan-zee', 10, %s, %s, 2.0, 10.0, 4.0,
                      CASE WHEN i < %s THEN 'found' WHEN i < %s THEN 'missed' ELSE 'obscured' END, 'peak',
                      CASE WHEN i < %s THEN 40.0 END, CASE WHEN i < %s THEN 0.95 END
               FROM generate_series(0, %s) i""",
            [detector, HOUR, HOUR, HOUR, found, of, found, found, of + 4],
        )
        connection.execute(
            "INSERT INTO selftest_exposure VALUES ('ijmond', %s, %s, 'pm2_5', 10, 240.0, 31, 12)", [detector, HOUR]
        )


async def test_without_a_test_nothing_is_claimed(api, node):
    figures = (await api.get("/api/v1/detection-figures")).json()
    assert (figures["detector"], figures["items"]) == (None, [])
    assert "De zelftest heeft hier nog niet gelopen." in (await api.get("/nl/status")).text


async def test_figures_are_told_with_what_they_leave_uncertain(api, node, database):
    an_hour_of_results(database)
    answer = await api.get("/api/v1/detection-figures")
    assert answer.status_code == 200
    figures = answer.json()
    assert (figures["detector"], figures["since"]) == ("peak@2#7ec8e0b6", "2026-11-20T03:00:00.000Z")
    (item,) = figures["items"]
    assert (item["observedProperty"], item["interval"], item["alonePerSensorDay"]) == ("pm2_5", 10, 0.05)
    (one,) = item["synthetic"]
    assert (one["injected"], one["found"], one["probability"], one["medianDelay"]) == (120, 117, 0.975, 40.0)
    assert (one["low"], one["high"]) == pytest.approx((0.929, 0.991), abs=1e-3)


async def test_the_page_says_it_in_a_plain_sentence_and_prometheus_sees_it(api, node, database):
    an_hour_of_results(database)
    dutch, english = (await api.get("/nl/status")).text, (await api.get("/en/status")).text
    assert "Van 120 nagebootste pieken van 10× de ruis vond de detector er 117 (93–99 %), na 40 s (mediaan)." in dutch
    assert "hoogstens 0,05 valse meldingen per sensor per dag" in dutch
    assert "Of 120 synthetic peaks of 10× the noise the detector found 117 (93–99 %), after 40 s (median)." in english
    shown = (await api.get("/metrics")).text
    assert 'piekwacht_selftest_probability{interval="10",multiple="10",property="pm2_5"} 0.975' in shown
    assert 'piekwacht_selftest_alone_per_sensor_day{interval="10",property="pm2_5"} 0.05' in shown
