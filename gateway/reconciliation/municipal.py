"""Complaints from the answers of two municipal systems, saved as files: Signalen and Open311. Pure.

* Signalen: GeoJSON of `GET /signals/v1/public/signals/geography`; its features have no person and no id.
* Open311 GeoReport v2: JSON of `GET /requests.json`.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from msgspec import DecodeError, json

from gateway.reconciliation.complaint import Complaint, ComplaintFileError, check_complaint
from gateway.reconciliation.csv_file import parse_time


def parse_signalen(content: bytes, zone: tzinfo | None, now: datetime) -> list[Complaint]:
    """Return the public signals. Raises ComplaintFileError."""
    document = _decode(content)
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise ComplaintFileError("the file is no GeoJSON of Signalen: `features` is missing")
    complaints = []
    for number, feature in enumerate(features, 1):
        where = f"feature {number}"
        try:
            longitude, latitude = feature["geometry"]["coordinates"][:2]
            properties = feature["properties"]
            category, text = _name_of(properties.get("category")), properties["created_at"]
        except (KeyError, TypeError, ValueError):
            raise ComplaintFileError(f"{where}: a point and `created_at` are needed") from None
        complaints.append(_build(where, "", text, latitude, longitude, category, zone, now))
    return complaints


def parse_open311(content: bytes, zone: tzinfo | None, now: datetime) -> list[Complaint]:
    """Return the service requests that have a place. Raises ComplaintFileError."""
    document = _decode(content)
    if not isinstance(document, list):
        raise ComplaintFileError("the file is no list of Open311 service requests")
    complaints = []
    for number, request in enumerate(document, 1):
        where = f"request {number}"
        if not isinstance(request, dict) or "requested_datetime" not in request:
            raise ComplaintFileError(f"{where}: `requested_datetime` is missing")
        if request.get("lat") is None or request.get("long") is None:
            continue  # GeoReport allows an address instead; without a place nothing can be compared
        complaints.append(
            _build(
                where,
                str(request.get("service_request_id") or ""),
                request["requested_datetime"],
                request["lat"],
                request["long"],
                str(request.get("service_name") or request.get("service_code") or ""),
                zone,
                now,
            )
        )
    return complaints


def _decode(content: bytes) -> object:
    try:
        return json.decode(content)
    except DecodeError as error:
        raise ComplaintFileError(f"the file is no JSON: {error}") from None


def _name_of(category: object) -> str:
    if isinstance(category, Mapping):
        return str(category.get("name") or category.get("slug") or "")
    return str(category or "")


def _build(  # noqa: PLR0917 - the fields of a complaint
    where: str, id_: str, text: Any, latitude: Any, longitude: Any, category: str,  # noqa: ANN401 - checked here
    zone: tzinfo | None, now: datetime,
) -> Complaint:  # fmt: skip
    name = id_ or where
    try:
        place = float(latitude), float(longitude)
    except (TypeError, ValueError):
        raise ComplaintFileError(f"{where}: latitude and longitude must be numbers") from None
    at = parse_time(str(text), zone, where)
    complaint = Complaint(id=name, person=name, at=at, latitude=place[0], longitude=place[1], category=category)
    return check_complaint(complaint, now, where)
