"""The figures of the self-test: in the API, on the status page, and for Prometheus."""

from datetime import UTC, datetime

import psycopg
import pytest

HOUR = datetime(2026, 11, 20, 3, tzinfo=UTC)


def insert_results(dsn, detector="peak@2#7ec8e0b6", detected=117, injected=120):
    """Insert the results of one hour, as the self-test stores them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO selftest_hour VALUES ('ijmond', %s, %s)", [detector, HOUR])
        connection.execute(
            """INSERT INTO selftest_peak
               SELECT 'ijmond', %s, %s, i, 'pm2_5', 'wijk-aan-zee', 10, %s, %s, 2.0, 10.0, 4.0,
                      CASE WHEN i < %s THEN 'found' WHEN i < %s THEN 'missed' ELSE 'obscured' END, 'peak',
                      CASE WHEN i < %s THEN 40.0 END, CASE WHEN i < %s THEN 0.95 END
               FROM generate_series(0, %s) i""",
            [detector, HOUR, HOUR, HOUR, detected, injected, detected, detected, injected + 4],
        )
        connection.execute(
            "INSERT INTO selftest_exposure VALUES ('ijmond', %s, %s, 'pm2_5', 10, 240.0, 31, 12)", [detector, HOUR]
        )


async def test_without_a_self_test_there_are_no_figures(api, node):
    figures = (await api.get("/api/v1/detection-figures")).json()
    assert (figures["detector"], figures["items"]) == (None, [])
    assert "De zelftest heeft hier nog niet gelopen." in (await api.get("/nl/status")).text


async def test_figures_have_confidence_intervals(api, node, database):
    insert_results(database)
    response = await api.get("/api/v1/detection-figures")
    assert response.status_code == 200
    figures = response.json()
    assert (figures["detector"], figures["since"]) == ("peak@2#7ec8e0b6", "2026-11-20T03:00:00.000Z")
    (item,) = figures["items"]
    assert (item["observedProperty"], item["interval"], item["alonePerSensorDay"]) == ("pm2_5", 10, 0.05)
    (peaks,) = item["synthetic"]
    assert (peaks["injected"], peaks["found"], peaks["probability"], peaks["medianDelay"]) == (120, 117, 0.975, 40.0)
    assert (peaks["low"], peaks["high"]) == pytest.approx((0.929, 0.991), abs=1e-3)


async def test_the_status_page_and_prometheus_show_the_figures(api, node, database):
    insert_results(database)
    dutch, english = (await api.get("/nl/status")).text, (await api.get("/en/status")).text
    assert "Van 120 nagebootste pieken van 10× de ruis vond de detector er 117 (93–99 %), na 40 s (mediaan)." in dutch
    assert "hoogstens 0,05 valse meldingen per sensor per dag" in dutch
    assert "Of 120 synthetic peaks of 10× the noise the detector found 117 (93–99 %), after 40 s (median)." in english
    metrics = (await api.get("/metrics")).text
    assert 'piekwacht_selftest_probability{interval="10",multiple="10",property="pm2_5"} 0.975' in metrics
    assert 'piekwacht_selftest_alone_per_sensor_day{interval="10",property="pm2_5"} 0.05' in metrics
