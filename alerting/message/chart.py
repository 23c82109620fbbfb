"""The peak as a small PNG, for mail: clients show neither SVG nor scripts. Pure, in the Pillow sense.

Every column of pixels shows the whole range of the values in it, so that no short peak is averaged away.
"""

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from PIL import Image, ImageDraw, ImageFont

from alerting.message.notification import Notification
from alerting.message.texts import MAIL
from alerting.message.time_series import Point
from alerting.vocabulary import number, short_clock, unit

_SIZE = (1040, 440)  # shown at half that size: sharp on a telephone
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 20, 46, 56
_INK, _FAINT, _LINE, _PEAK, _SHADE = "#1b1f1d", "#c9cfca", "#1d4d3a", "#b3261e", "#fdecea"
_STEPS = (1, 2, 5)
_MINUTES = (1, 2, 5, 10, 15, 30, 60)


def draw(notification: Notification) -> bytes:
    """The values, the background (dashed), the time of the event (shaded) and the highest value. Raises ValueError."""
    alert, curve = notification.alert, notification.curve
    known = [p for p in curve.points if p.value is not None] if curve else []
    if len(known) < 2 or known[0].at == known[-1].at:
        raise ValueError("too few values to draw")
    since, until = known[0].at, known[-1].at
    values = [p.value for p in known if p.value is not None]
    low, high = min(0.0, *values), max(alert.peak, *values) * 1.08 or 1.0
    image = Image.new("RGB", _SIZE, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(24)

    def x(at: datetime) -> float:
        share = (at - since) / (until - since)
        return _LEFT + min(1.0, max(0.0, share)) * (_SIZE[0] - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _SIZE[1] - _BOTTOM - (value - low) / (high - low) * (_SIZE[1] - _TOP - _BOTTOM)

    pen.rectangle((x(alert.onset), _TOP, x(alert.end or until), _SIZE[1] - _BOTTOM), fill=_SHADE)
    for level in _levels(low, high):
        pen.line((_LEFT, y(level), _SIZE[0] - _RIGHT, y(level)), fill=_FAINT)
        text = number(level, notification.language) if level % 1 else f"{level:.0f}"
        pen.text((_LEFT - 12, y(level)), text, fill=_INK, font=font, anchor="rm")
    for at in _moments(since, until):
        pen.line((x(at), _SIZE[1] - _BOTTOM, x(at), _SIZE[1] - _BOTTOM + 8), fill=_INK)
        pen.text((x(at), _SIZE[1] - _BOTTOM + 14), short_clock(at)[:5], fill=_INK, font=font, anchor="mt")
    for start in range(_LEFT, _SIZE[0] - _RIGHT, 24):
        pen.line((start, y(alert.background), start + 12, y(alert.background)), fill=_INK, width=2)
    for run in _runs(known, curve.spacing if curve else None):
        pen.line([(x(p.at), y(p.value or 0.0)) for p in run], fill=_LINE, width=4, joint="curve")
    top = (x(alert.peak_at), y(alert.peak))
    pen.ellipse((top[0] - 8, top[1] - 8, top[0] + 8, top[1] + 8), outline=_PEAK, width=4)
    w = MAIL[notification.language]
    scale = unit(alert.unit).replace("µ", "u").replace("³", "3")  # Pillow's font has neither
    title = f"{scale}   - - {w['background']}   o {w['highest'].lower()}"
    pen.text((_LEFT, 10), title, fill=_INK, font=font)
    image = image.quantize(32)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _levels(low: float, high: float) -> Sequence[float]:
    """Three to six round values between the two."""
    rough, power = (high - low) / 5, 1.0
    while power > rough:
        power /= 10
    while power * 10 <= rough:
        power *= 10
    step = power * next((one for one in _STEPS if power * one >= rough), 10)
    first = -(-low // step)
    return [round((first + n) * step, 9) for n in range(int(high // step - first) + 1)]


def _moments(since: datetime, until: datetime) -> Iterator[datetime]:
    """Round moments, at most seven."""
    length = (until - since) / timedelta(minutes=1)
    minutes = next((one for one in _MINUTES if length / one <= 7), 60)
    at = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while at <= until:
        if at >= since:
            yield at
        at += timedelta(minutes=minutes)


def _runs(points: Sequence[Point], spacing: float | None) -> Iterator[Sequence[Point]]:
    """The curve in pieces: where values are missing there is no line."""
    longest = timedelta(seconds=max(5 * (spacing or 1.0), 10.0))
    run: list[Point] = []
    for point in points:
        if run and point.at - run[-1].at > longest:
            if len(run) > 1:
                yield run
            run = []
        run.append(point)
    if len(run) > 1:
        yield run
