"""Measured data: reading and writing run files, and the provenance of their rows."""

from .images import Recorded, Unshown
from .merging import merge
from .reading import (
    TABLE_COLUMNS,
    asked,
    faults,
    read,
    recorded,
    rows_under,
    runs,
    sittings,
    spectra,
    statuses,
    unshown,
    with_spectra,
)
from .rows import COLUMNS, Key, Row, Spectra, Status, blank
from .run_file import RunFile
from .schema import APPLICATION_ID, SCHEMA_VERSION, RunFileError
from .sums import SPECTRA_COLUMNS

__all__ = [
    "APPLICATION_ID",
    "COLUMNS",
    "SCHEMA_VERSION",
    "SPECTRA_COLUMNS",
    "TABLE_COLUMNS",
    "Key",
    "Recorded",
    "Row",
    "RunFile",
    "RunFileError",
    "Spectra",
    "Status",
    "Unshown",
    "asked",
    "blank",
    "faults",
    "merge",
    "read",
    "recorded",
    "rows_under",
    "runs",
    "sittings",
    "spectra",
    "statuses",
    "unshown",
    "with_spectra",
]
