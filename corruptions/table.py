"""The table of corruptions, in which a name finds one: the paper's fifteen in its order, then the four extra ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from . import blur, digital, fourier, noise, textures, weather
from .corruption import Corruption, Image, Progress, generator

_ROWS = (
    Corruption("snow", weather.SNOW, weather.snow, "low"),
    Corruption("frost", weather.FROST, weather.frost, "low", prepare=textures.fetch),
    Corruption("fog", weather.FOG, weather.fog, "low"),
    Corruption("brightness", weather.BRIGHTNESS, weather.brightness, "low"),
    Corruption("contrast", digital.CONTRAST, digital.contrast, "low"),
    Corruption("motion_blur", blur.MOTION_BLUR, blur.motion_blur, "medium"),
    Corruption("zoom_blur", blur.ZOOM_BLUR, blur.zoom_blur, "medium"),
    Corruption("defocus_blur", blur.DEFOCUS_BLUR, blur.defocus_blur, "medium"),
    Corruption("glass_blur", blur.GLASS_BLUR, blur.glass_blur, "medium"),
    Corruption("elastic_transform", digital.ELASTIC_TRANSFORM, digital.elastic_transform, "medium"),
    Corruption("jpeg_compression", digital.JPEG_COMPRESSION, digital.jpeg_compression, "medium"),
    Corruption("pixelate", digital.PIXELATE, digital.pixelate, "medium"),
    Corruption("gaussian_noise", noise.GAUSSIAN_NOISE, noise.gaussian_noise, "high"),
    Corruption("shot_noise", noise.SHOT_NOISE, noise.shot_noise, "high"),
    Corruption("impulse_noise", noise.IMPULSE_NOISE, noise.impulse_noise, "high"),
    Corruption("speckle_noise", noise.SPECKLE_NOISE, noise.speckle_noise, "extra"),
    Corruption("gaussian_blur", blur.GAUSSIAN_BLUR, blur.gaussian_blur, "extra"),
    Corruption("spatter", weather.SPATTER, weather.spatter, "extra"),
    Corruption("saturate", digital.SATURATE, digital.saturate, "extra"),
)

CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType({row.name: row for row in _ROWS})
"""Every corruption by name."""

FIFTEEN: tuple[str, ...] = tuple(row.name for row in _ROWS if row.band != "extra")
"""The corruptions of CLIC-C and Kodak-C."""


def find(name: str) -> Corruption:
    """Return the corruption called `name`: a row of the table, or a Fourier perturbation such as "fourier_3_m5".

    Raises KeyError for any other name, and ValueError for a name that starts with "fourier_" but names no perturbation.
    """
    if name.startswith(fourier.PREFIX):
        return fourier.fourier(*fourier.parse(name))
    return CORRUPTIONS[name]


def corrupt(clean: Image, image_set: str, image: str, corruption: str, severity: int) -> Image:
    """Return `clean`, the image called `image` of a set, under a corruption, uint8 (H, W, 3); the same on every call.

    The generator is seeded from "image_set/image/corruption@severity". Raises as `find` and `Corruption` do.
    """
    return find(corruption)(clean, severity, generator(f"{image_set}/{image}/{corruption}@{severity}"))


def prepare(names: Iterable[str], progress: Progress | None = None) -> None:
    """Download the files that these corruptions read, unless they are already on this machine. Raises DownloadError."""
    for name in dict.fromkeys(names):
        corruption = find(name)
        if corruption.prepare:
            corruption.prepare(progress)
