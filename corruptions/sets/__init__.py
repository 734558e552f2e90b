"""Image sets: the clean images of every measurement, and corrupted sets stored as files.

Names: `sample`, `kodak`, `clic2020-test`, `folder:PATH`, `folder:PATH@cropHxW`, `generated:DIR`. A corrupted set such
as `kodak-c` is derived from its clean set. `generated:DIR` is a clean set whose corrupted images are files in DIR.
"""

from .image_set import ImageSet, SetError, Source, View
from .known import KNOWN, SetMissing, UnknownSet
from .opening import default_data_dir, open_set

__all__ = [
    "KNOWN",
    "ImageSet",
    "SetError",
    "SetMissing",
    "Source",
    "UnknownSet",
    "View",
    "default_data_dir",
    "open_set",
]
