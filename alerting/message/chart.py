"""The peak as a small PNG for mail, because mail clients show neither SVG nor scripts. Pure: draws in memory.

Every value is drawn, so that no short peak is averaged away.
"""

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from PIL import Image, ImageDraw, ImageFont

from alerting.message.notification import Notification
from alerting.message.time_series import TimeSeriesPoint
from alerting.vocabulary import format_number, format_time_of_day

_SIZE = (1040, 440)  # pixels; shown at half that size, so that it is sharp on a telephone
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 20, 46, 56
_INK, _FAINT, _LINE, _PEAK, _SHADE = "#1b1f1d", "#c9cfca", "#1d4d3a", "#b3261e", "#fdecea"
_GRID_STEPS = (1, 2, 5)
_TICK_MINUTES = (1, 2, 5, 10, 15, 30, 60)


def draw_chart(notification: Notification) -> bytes:
    """Draw the values, the background (dashed), the event (shaded) and the peak. Raises ValueError for under two.

    The mail writes the key and the unit below the picture: Pillow's font lacks their characters.
    """
    alert, time_series = notification.alert, notification.time_series
    points = [p for p in time_series.points if p.value is not None] if time_series else []
    if len(points) < 2 or points[0].at == points[-1].at:
        raise ValueError("too few values to draw")
    since, until = points[0].at, points[-1].at
    values = [p.value for p in points if p.value is not None]
    low, high = min(0.0, *values), max(alert.peak, *values) * 1.08 or 1.0
    image = Image.new("RGB", _SIZE, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(24)

    def x(at: datetime) -> float:
        share = (at - since) / (until - since)
        return _LEFT + min(1.0, max(0.0, share)) * (_SIZE[0] - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _SIZE[1] - _BOTTOM - (value - low) / (high - low) * (_SIZE[1] - _TOP - _BOTTOM)

    pen.rectangle((x(alert.onset), _TOP, x(alert.end or until), _SIZE[1] - _BOTTOM), fill=_SHADE)
    for level in _grid_values(low, high):
        pen.line((_LEFT, y(level), _SIZE[0] - _RIGHT, y(level)), fill=_FAINT)
        text = format_number(level, notification.language) if level % 1 else f"{level:.0f}"
        pen.text((_LEFT - 12, y(level)), text, fill=_INK, font=font, anchor="rm")
    for at in _iter_tick_times(since, until):
        pen.line((x(at), _SIZE[1] - _BOTTOM, x(at), _SIZE[1] - _BOTTOM + 8), fill=_INK)
        pen.text((x(at), _SIZE[1] - _BOTTOM + 14), format_time_of_day(at)[:5], fill=_INK, font=font, anchor="mt")
    for start in range(_LEFT, _SIZE[0] - _RIGHT, 24):
        pen.line((start, y(alert.background), start + 12, y(alert.background)), fill=_INK, width=2)
    for segment in _iter_segments(points, time_series.spacing if time_series else None):
        pen.line([(x(p.at), y(p.value or 0.0)) for p in segment], fill=_LINE, width=4, joint="curve")
    peak_point = (x(alert.peak_at), y(alert.peak))
    pen.ellipse((peak_point[0] - 8, peak_point[1] - 8, peak_point[0] + 8, peak_point[1] + 8), outline=_PEAK, width=4)
    image = image.quantize(32)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _grid_values(low: float, high: float) -> Sequence[float]:
    """Return three to six round values between the two."""
    target_step, power = (high - low) / 5, 1.0
    while power > target_step:
        power /= 10
    while power * 10 <= target_step:
        power *= 10
    step = power * next((factor for factor in _GRID_STEPS if power * factor >= target_step), 10)
    first = -(-low // step)
    return [round((first + n) * step, 9) for n in range(int(high // step - first) + 1)]


def _iter_tick_times(since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield round times, at most seven."""
    length = (until - since) / timedelta(minutes=1)
    minutes = next((step for step in _TICK_MINUTES if length / step <= 7), 60)
    at = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while at <= until:
        if at >= since:
            yield at
        at += timedelta(minutes=minutes)


def _iter_segments(points: Sequence[TimeSeriesPoint], spacing: float | None) -> Iterator[Sequence[TimeSeriesPoint]]:
    """Yield the values in pieces without gaps, so that no line crosses missing values."""
    longest = timedelta(seconds=max(5 * (spacing or 1.0), 10.0))
    segment: list[TimeSeriesPoint] = []
    for point in points:
        if segment and point.at - segment[-1].at > longest:
            if len(segment) > 1:
                yield segment
            segment = []
        segment.append(point)
    if len(segment) > 1:
        yield segment
