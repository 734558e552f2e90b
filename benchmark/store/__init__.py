"""Measured data: reading and writing run files, and the provenance of their rows."""

from .images import Recorded, Unshown
from .merging import merge
from .profile import PROFILE_KEY
from .reading import (
    TABLE_COLUMNS,
    asked,
    faults,
    profiles,
    read,
    recorded,
    rows_under,
    runs,
    shifts,
    sittings,
    spectra,
    statuses,
    unshown,
    with_profiles,
    with_spectra,
)
from .rows import COLUMNS, Key, Row, Spectra, Status, blank
from .run_file import RunFile
from .schema import APPLICATION_ID, SCHEMA_VERSION, RunFileError
from .shift import Shift
from .sums import SPECTRA_COLUMNS

__all__ = [
    "APPLICATION_ID",
    "COLUMNS",
    "PROFILE_KEY",
    "SCHEMA_VERSION",
    "SPECTRA_COLUMNS",
    "TABLE_COLUMNS",
    "Key",
    "Recorded",
    "Row",
    "RunFile",
    "RunFileError",
    "Shift",
    "Spectra",
    "Status",
    "Unshown",
    "asked",
    "blank",
    "faults",
    "merge",
    "profiles",
    "read",
    "recorded",
    "rows_under",
    "runs",
    "shifts",
    "sittings",
    "spectra",
    "statuses",
    "unshown",
    "with_profiles",
    "with_spectra",
]
