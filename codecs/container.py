"""The least that a format takes: its container, its headers and empty blocks."""

from __future__ import annotations

import numpy as np

from .protocol import Spec
from .registry import open_codec


def container_bytes(spec: Spec) -> int:
    """Return the length of the stream of a flat grey 768x512 image, of Kodak's size, at the ladder's first point."""
    with open_codec(spec, spec.points[0]) as codec:
        return len(codec.encode(np.full((512, 768, 3), 128, np.uint8)))
