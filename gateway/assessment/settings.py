"""`[assessment]` of piekwacht.toml: what a year needs, and the Hazard Index."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.assessment.hazard_settings import HazardIndexSettings


class AssessmentSettings(Struct, frozen=True, kw_only=True):
    """`[assessment]`: means beside published levels.

    year_coverage  share of the hours of a year that must be complete before a mean over the year is shown; absent: no
                   mean over a year is shown
    hazard_index   declarations for the Hazard Index; absent: there is none
    """

    year_coverage: Annotated[float, Meta(gt=0, le=1)] | None = None
    hazard_index: HazardIndexSettings | None = None
