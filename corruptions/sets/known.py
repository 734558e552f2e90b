"""The known sets: their names, sizes, terms and addresses, and the errors for an unknown or missing set."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from .image_set import SetError

CLIC_URL = "https://data.vision.ee.ethz.ch/cvl/clic/test/"


class UnknownSet(LookupError):
    """A name that names no set."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        """Store the unknown `name` and the `known` names."""
        super().__init__(name, known)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        """Return the message: the expected names, and the nearest one."""
        clean = self.name.removesuffix("-c")
        if clean in self.known:
            return f"{self.name} is {clean} with corruptions applied: use --set {clean}"
        nearest = difflib.get_close_matches(self.name.partition(":")[0], self.known, n=1, cutoff=0.4)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        return f"expected a set ({', '.join(self.known)}), got {self.name!r}{hint}"


class SetMissing(SetError):
    """The images of a known set are not on this machine, but can be downloaded."""


@dataclass(frozen=True, slots=True)
class Known:
    """The facts about a set before it is opened; `images` is 0 if the number depends on the folder."""

    name: str
    images: int
    about: str
    terms: str
    url: str


KNOWN: Mapping[str, Known] = MappingProxyType(
    {
        known.name: known
        for known in (
            Known(
                name="sample",
                images=4,
                about="photographs that come inside scikit-image: astronaut, chelsea, coffee, rocket (from a JPEG)",
                terms="public domain and CC0",
                url="https://scikit-image.org/docs/stable/api/skimage.data.html",
            ),
            Known(
                name="kodak",
                images=24,
                about="the Kodak Lossless True Color Image Suite, 768x512 and 512x768, uncropped",
                terms="released by Eastman Kodak for unrestricted usage",
                url="https://r0k.us/graphics/kodak/",
            ),
            Known(
                name="clic2020-test",
                images=428,
                about="the CLIC 2020 test split, mobile and professional, centre crop 512 high x 768 wide",
                terms="released by the Computer Vision Lab of ETH Zurich for the challenge, much of it from Unsplash",
                url=CLIC_URL,
            ),
            Known(
                name="folder:PATH",
                images=0,
                about="every image file below PATH; folder:PATH@crop512x768 takes their centre, 512 high x 768 wide",
                terms="yours",
                url="",
            ),
            Known(
                name="generated:DIR",
                images=0,
                about="corrupted images that codecshift generate wrote to DIR, and their clean images",
                terms="those of the clean images",
                url="",
            ),
        )
    }
)
"""The known sets by name, in display order."""
