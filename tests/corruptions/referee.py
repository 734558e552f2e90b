"""The referee: imagecorruptions 1.1.2 with the smallest patches that let it run beside today's libraries.

Loaded by path (see `conftest.py`), because test folders are not packages. Nothing in the library imports it.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import shutil
import tempfile
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
from codecshift.corruptions import textures

VERSION = textures.VERSION

# What was renamed or removed since 2019; no line of any algorithm changes. The last one seeds the one draw that the
# package takes from scikit-image's own, unseeded generator.
PATCHES = {
    "from pkg_resources import resource_filename": "",
    "from scipy.ndimage.interpolation import map_coordinates": "from scipy.ndimage import map_coordinates",
    "multichannel=True": "channel_axis=-1",
    "np.float_": "np.float64",
    "mode='s&p', amount=c)": "mode='s&p', amount=c, rng=np.random.default_rng(impulse_seed))",
}


class Legacy(np.random.RandomState):
    """The stream behind `np.random.seed(s)`, with the one method name that `Generator` spells differently."""

    def integers(self, low, high=None, size=None):
        return self.randint(low, high, size=size)


def load(folder: Path) -> types.ModuleType:
    """Return the patched module; it is unpacked into `folder`, and not installed, since that brings opencv-python."""
    textures.fetch()
    with zipfile.ZipFile(textures.wheel()) as packed:
        packed.extractall(folder)
    source = (folder / "imagecorruptions" / "corruptions.py").read_text(encoding="utf-8")
    for old, new in PATCHES.items():
        assert old in source, f"expected {old!r} in imagecorruptions {VERSION}"
        source = source.replace(old, new)
    module = types.ModuleType("imagecorruptions_referee")
    module.resource_filename = lambda _package, name: str(folder / "imagecorruptions" / name)
    with warnings.catch_warnings(action="ignore"):
        exec(compile(source, str(folder / "imagecorruptions" / "corruptions.py"), "exec"), module.__dict__)  # noqa: S102 - pinned source
    return module


FOLDER = tempfile.mkdtemp()
atexit.register(shutil.rmtree, FOLDER)
MODULE = load(Path(FOLDER))


def corrupt(name: str, image: np.ndarray, severity: int, seed: int) -> np.ndarray:
    """Return what `imagecorruptions.corrupt` returns after `np.random.seed(seed)`."""
    np.random.seed(seed)  # noqa: NPY002 - the referee draws from the global legacy stream
    MODULE.impulse_seed = seed
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        return np.uint8(getattr(MODULE, name)(PIL.Image.fromarray(image), severity))


def stream(name: str, seed: int) -> np.random.Generator | Legacy:
    """Return the random stream from which ours draws what `corrupt(..., seed)` draws."""
    return np.random.default_rng(seed) if name == "impulse_noise" else Legacy(seed)
