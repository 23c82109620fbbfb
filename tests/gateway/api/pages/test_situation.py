"""The sentences of the first screen: one state per station, and the answer for a place."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from gateway.api.data.area_base import PlaceName
from gateway.api.data.area_wind import AreaWind
from gateway.api.data.gazetteer import build_gazetteer
from gateway.api.data.registry import AreaRow, PublicRegistry, StationRow
from gateway.api.pages.first_screen import choose_first_screen, join_stations, list_open_peaks
from gateway.api.pages.formats import Formats
from gateway.api.pages.situation import OpenPeak, StationAir, build_situations
from gateway.api.schemas.events import Around, Event, Upwind, Wind
from gateway.api.schemas.observations import Minute
from gateway.api.schemas.plumes import Plume, PlumeEvent, PlumeReceiver, PlumeStation
from gateway.model.properties import PROPERTIES
from gateway.model.timestamps import format_instant

NOW = datetime(2026, 11, 21, 13, 10, tzinfo=UTC)
STATIONS = {
    row.id: row
    for row in (
        StationRow(id="a", area="ijmond", name="Wijk aan Zee", latitude=52.494, longitude=4.594),
        StationRow(id="b", area="ijmond", name="Beverwijk", latitude=52.486, longitude=4.657),
        StationRow(id="c", area="ijmond", name="Driehuis", latitude=52.447, longitude=4.637),
        StationRow(id="d", area="ijmond", name="Verweg", latitude=52.30, longitude=4.90),
    )
}
REGISTRY = PublicRegistry(
    areas={"ijmond": AreaRow(id="ijmond", name="IJmond", authority="Omgevingsdienst", outline={})}, stations=STATIONS
)
NAMES = {"nl": "fijnstof PM2,5", "en": "particulates PM2.5"}
GAZETTEER = build_gazetteer(
    [PlaceName(name="Santpoort", latitude=52.43, longitude=4.64, postcodes=("2071",), rank=2),
     PlaceName(name="Ver weg", latitude=52.10, longitude=5.10, postcodes=(), rank=4)],
    STATIONS.values(),
)  # fmt: skip


def formats(language="nl"):
    return Formats(language=language, now=NOW, registry=REGISTRY)


def minute(mean, unit="ug/m3", *, age=10.0):
    at = None if mean is None else format_instant(NOW - timedelta(seconds=age))
    return Minute(unit=unit, observed_at=at, value=mean, mean=mean, max=mean, count=60, valid_count=60,
                  expected_count=60, flags=[], excluded=None)  # fmt: skip


def event(
    id_="e1", *, station="a", severity="severe", name="pm2_5", unit="ug/m3", peak=68.0, background=8.0, around=None
):
    at = format_instant(NOW - timedelta(minutes=8))
    return Event(
        id=id_, revision=1, change="opened", kind="peak", area="ijmond", station=station, station_name="",
        observed_property=name, unit=unit, severity=severity, onset=at, peak_at=at, detected_at=at, end=None, peak=peak,
        peak_averaging="raw", background=background, excess=peak - background, confidence=0.9, reasons=[], detector="x",
        detected_late=False, changed_at=at, around=around or Around(),
    )  # fmt: skip


def peak_of(event_, *notified, plume="p1"):
    """The event as the leading one of a plume."""
    fields = {name: getattr(event_, name) for name in PlumeEvent.__struct_fields__}
    document = Plume(
        id=plume, revision=1, state="ongoing", kind="peak", area="ijmond", severity=event_.severity, confidence=0.9,
        onset=event_.onset, end=None, detected_at=event_.onset, changed_at=event_.onset, leading=event_.id,
        properties=[event_.observed_property], stations=[], events=[PlumeEvent(**fields)], notified=list(notified),
        acknowledged_at=None,
    )  # fmt: skip
    return OpenPeak(event=event_, plume=document)


WIND = Around(
    wind=Wind(direction=225.0, spread=10.0, speed=4.0, readings=60),
    upwind=[Upwind(id="tata", name="Tata Steel", bearing=220.0, distance=1500.0)],
)


MAX_AGE = timedelta(minutes=2)


def wind(direction, speed):
    return AreaWind(direction=direction, speed=speed, stations=1, at=NOW)


def situations(language="nl", *, peaks=(), area_wind=None, **minutes):
    stations = join_stations(REGISTRY, minutes, peaks, None)
    return build_situations(formats(language), stations, {"ijmond": area_wind}, "IJmond", MAX_AGE, "Piekwacht")


def test_an_area_without_a_peak_has_its_headline_and_its_wind():
    quiet = situations(a={"pm2_5": minute(8.1)}, b={"pm2_5": minute(7.0)}, area_wind=wind(225.0, 4.2))
    assert quiet.headline == "Nu geen piek in IJmond"
    assert quiet.facts == ["Wind uit het zuidwesten, 4,2 m/s."]
    assert quiet.state == "quiet"
    by_station = {item.station: item for item in quiet.items}
    assert (by_station["a"].label, by_station["c"].label) == ("rustig", "geen gegevens")
    assert by_station["a"].averaging == "gemiddelde van 1 minuut"


def test_a_peak_has_its_place_onset_severity_wind_and_notified_receivers():
    at = format_instant(NOW - timedelta(minutes=5))
    receiver = PlumeReceiver(receiver="omgevingsdienst", state="delivered", notified_at=at)
    worst = situations(a={"pm2_5": minute(40.0)}, peaks=[peak_of(event(around=WIND), receiver)])
    assert worst.headline == "Piek pm2_5 bij Wijk aan Zee sinds 14:02: ernstig"  # the registry has no name here
    assert worst.facts == [
        "Hoogste (losse meting): 68,0 µg/m³, 8,5× achtergrond.",
        "Wind uit het zuidwesten, van Tata Steel.",
        "Omgevingsdienst ingelicht om 14:05.",
    ]
    assert (worst.state, worst.plume, worst.items[0].label) == ("peak", "p1", "piek, ernstig")


def test_a_peak_without_deliveries_has_a_sentence():
    assert "Nog niemand ingelicht." in situations(peaks=[peak_of(event())]).facts


def test_a_guest_does_not_decide_the_state_of_the_area_and_its_peak_is_named():
    registry = PublicRegistry(
        areas=REGISTRY.areas,
        stations={
            **STATIONS,
            "guest-x": StationRow(id="guest-x", area="ijmond", name="Duinweg", latitude=52.44, longitude=4.64),
        },
    )
    guest_peak = peak_of(event(station="guest-x", severity="extreme", peak=500.0))
    stations = join_stations(registry, {"a": {"pm2_5": minute(8.1)}}, [guest_peak], None)
    shown = build_situations(formats(), stations, {"ijmond": None}, "IJmond", MAX_AGE, "Piekwacht")
    assert (shown.headline, shown.state, shown.plume) == ("Nu geen piek in IJmond", "quiet", None)
    assert shown.facts[-1] == "Alleen een sensor van een bewoner ziet een piek: Duinweg."
    assert shown.items[-1].station == "guest-x"
    screen = choose_first_screen(Formats(language="nl", now=NOW, registry=registry), GAZETTEER, shown, "Santpoort")
    assert screen.state == "no_data"  # of Driehuis, the nearest station of the network
    assert "Alleen een sensor van een bewoner ziet een piek: Duinweg." in screen.facts
    own_peak = peak_of(event(severity="minor"), plume="p2")
    both = join_stations(registry, {}, [guest_peak, own_peak], None)
    answer = build_situations(formats(), both, {"ijmond": None}, "IJmond", MAX_AGE, "Piekwacht")
    assert answer.plume == "p2"


def test_a_signal_in_ticks_is_described_without_its_number():
    voc = event(name="voc_raw", unit="{ticks}", peak=28_842.0, background=30_600.0)
    worst = situations(peaks=[peak_of(voc)])
    assert worst.facts[0].startswith("Uiterste (losse meting): 94 %")
    assert "28" not in worst.headline + " ".join(worst.facts)


def test_raised_is_the_first_colour_of_the_map():
    step = PROPERTIES["pm2_5"].colour_steps[0]
    assert situations(a={"pm2_5": minute(step)}).items[0].state == "raised"
    assert situations(a={"pm2_5": minute(step - 0.1)}).items[0].state == "quiet"


def test_old_values_are_no_data():
    old = situations(a={"pm2_5": minute(80.0, age=121)})
    assert (old.state, old.headline, old.facts) == ("no_data", "Nu geen gegevens uit IJmond", [])


def test_the_more_severe_of_two_peaks_leads_and_the_other_is_counted():
    peaks = [
        peak_of(event("e2", station="b", severity="minor"), plume="p2"),
        peak_of(event("e1", severity="extreme")),
    ]
    worst = situations(peaks=peaks)
    assert worst.plume == "p1"
    assert worst.facts[-1] == "Er is nog 1 andere piek."


@pytest.mark.parametrize(
    ("language", "area_wind", "sentence"),
    [
        ("nl", wind(None, 0.1), "Vrijwel windstil."),
        ("nl", None, "De windrichting is niet bekend."),
        ("en", wind(0.0, 3.0), "Wind from the north, 3.0 m/s."),
    ],
)
def test_the_wind_is_that_of_the_map(language, area_wind, sentence):
    assert situations(language, a={"pm2_5": minute(8.0)}, area_wind=area_wind).facts == [sentence]


def screen(text, **options):
    return choose_first_screen(formats(), GAZETTEER, situations(**options), text)


def test_a_place_has_the_worst_of_its_nearest_three_stations():
    calm = {id_: {"pm2_5": minute(8.0)} for id_ in STATIONS}
    here = screen("2071 AB", **calm)
    assert here.headline == "Nu geen piek bij Santpoort"
    assert [item.situation.station for item in here.nearest] == ["c", "b", "a"]
    raised = screen("Santpoort", **{**calm, "c": {"pm2_5": minute(12.0)}})
    assert raised.headline.startswith("Licht verhoogd bij Driehuis")


def test_a_peak_elsewhere_is_mentioned():
    calm = {id_: {"pm2_5": minute(8.0)} for id_ in STATIONS}
    here = screen("Santpoort", peaks=[peak_of(event(station="d"))], **calm)
    assert here.headline == "Nu geen piek bij Santpoort"
    assert here.facts[-1].startswith("Elders: Piek pm2_5 bij Verweg")


def test_the_distance_of_a_far_station_is_stated():
    here = screen("Ver weg", d={"pm2_5": minute(8.0)})
    assert here.facts[-1] == "Het dichtstbijzijnde station staat op 26,1 km. Dat zegt weinig over uw straat."


def test_an_unknown_place_has_a_sentence_and_the_answer_of_the_area():
    unknown = screen("9999 ZZ", a={"pm2_5": minute(8.0)})
    assert unknown.problem == "Postcode 9999 ZZ bestaat hier niet."
    assert unknown.headline == "Nu geen piek in IJmond"
    assert screen("<b>x</b>").problem.startswith("“<b>x</b>” kennen we hier niet.")


def test_a_station_without_values_has_no_data():
    air = StationAir(station=STATIONS["a"], minutes={}, peak=None)
    (item,) = build_situations(formats("en"), [air], {"ijmond": None}, "IJmond", MAX_AGE, "").items
    assert item.headline == "No data from Wijk aan Zee now"


def test_an_event_without_its_plume_is_left_out():
    peak = peak_of(event())
    assert list_open_peaks([event(), event("e9")], [peak.plume]) == [peak]


def test_a_station_shows_the_worst_event_of_its_plume_and_its_first_onset():
    worse = peak_of(event("e0", severity="extreme", peak=180.0)).plume
    began = format_instant(NOW - timedelta(minutes=13))
    place = PlumeStation(id="a", name="Wijk aan Zee", onset=began, end=None, leading="e0")
    later = peak_of(event(severity="minor", peak=15.0))
    plume = structs.replace(worse, stations=[place], events=[*worse.events, *later.plume.events])
    (worst, *_) = situations(peaks=[OpenPeak(event=later.event, plume=plume)]).items
    assert worst.headline == "Piek pm2_5 bij Wijk aan Zee sinds 13:57: zeer ernstig"
    assert worst.facts[0].startswith("Hoogste (losse meting): 180 µg/m³")
