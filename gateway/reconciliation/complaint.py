"""A complaint as it is used here, and the error of a file of complaints. Pure."""

from datetime import datetime

from msgspec import Struct

from gateway.errors import StartError

# Degrees: a box around the European Netherlands, in which a swapped pair of coordinates never lies.
_SOUTH, _NORTH, _WEST, _EAST = 50.5, 53.8, 3.0, 7.4


class ComplaintFileError(StartError):
    """A file of complaints that cannot be used; the sentence names the line and the remedy."""


class Complaint(Struct, frozen=True, kw_only=True):
    """One complaint. `person`: a name that stands for its author, or the id of the complaint if that is unknown.

    Degrees WGS 84; `at` has a time zone.
    """

    id: str
    person: str
    at: datetime
    latitude: float
    longitude: float
    category: str = ""


def check_complaint(complaint: Complaint, now: datetime, where: str) -> Complaint:
    """Return the complaint. Raises ComplaintFileError for a time to come and for places that cannot be meant."""
    if complaint.at > now:
        raise ComplaintFileError(f"{where}: the time {complaint.at.isoformat()} is in the future; check the time zone")
    if _SOUTH <= complaint.latitude <= _NORTH and _WEST <= complaint.longitude <= _EAST:
        return complaint
    if _SOUTH <= complaint.longitude <= _NORTH and _WEST <= complaint.latitude <= _EAST:
        raise ComplaintFileError(f"{where}: latitude and longitude are swapped; exchange the two columns")
    raise ComplaintFileError(
        f"{where}: {complaint.latitude:g}, {complaint.longitude:g} does not lie in the Netherlands; "
        "latitude and longitude in degrees (WGS 84) are needed"
    )
