"""Training photographs: they are read once, stored as bytes on the device, and cropped there at random."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageOps

from ...protocol import Image
from .recipe import TrainingError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"})

Report = Callable[[str, int, int], None]
"""Called with (task, images done, images in total)."""


@dataclass(frozen=True, slots=True)
class Photographs:
    """Images in one byte tensor on a device: image i starts at `starts`[i] and is `heights`[i] x `widths`[i] x 3.

    `hashes` holds the sha256 of each file. `digest` is the sha256 of the sorted hashes, so it depends neither on names
    nor on order.
    """

    pixels: torch.Tensor
    starts: np.ndarray[tuple[int], np.dtype[np.int64]]
    heights: np.ndarray[tuple[int], np.dtype[np.int64]]
    widths: np.ndarray[tuple[int], np.dtype[np.int64]]
    hashes: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.hashes)

    def image(self, index: int) -> Image:
        """Return one image, uint8 (H, W, 3)."""
        height, width, start = (int(column[index]) for column in (self.heights, self.widths, self.starts))
        pixels = self.pixels[start : start + height * width * 3]
        return np.asarray(pixels.cpu().numpy().reshape(height, width, 3))


def load(folder: Path, device: torch.device, crop: int = 1, report: Report | None = None) -> Photographs:
    """Read every image in a folder and its sub-folders.

    Pixels are 8-bit RGB: EXIF orientation is applied, and transparent images are laid over white. Raises TrainingError
    for a folder without images, a file that cannot be read, and images with a side below `crop`.
    """
    if not folder.is_dir():
        raise TrainingError(f"there is no folder {folder}: expected a folder with images")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise TrainingError(f"no images in {folder}: expected {', '.join(sorted(SUFFIXES))}")
    images, hashes, small = [], [], []
    with ThreadPoolExecutor() as pool:
        for done, (path, (image, digest)) in enumerate(zip(paths, pool.map(_read, paths), strict=True)):
            if min(image.shape[:2]) < crop:
                small.append(f"{path.relative_to(folder)} ({image.shape[1]}x{image.shape[0]})")
            images.append(image)
            hashes.append(digest)
            if report:
                report("reading", done + 1, len(paths))
    if small:
        shown = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        raise TrainingError(f"smaller than the crop of {crop}x{crop}: {shown}; remove them, or lower --set crop=...")
    sizes = np.array([image.size for image in images], np.int64)
    pixels = torch.from_numpy(np.concatenate([image.reshape(-1) for image in images]))
    try:
        pixels = pixels.to(device)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"the images in {folder} take {pixels.numel() / 2**30:.1f} GiB, more than {device} has free: remove some"
        ) from error
    return Photographs(
        pixels,
        np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64),
        np.array([image.shape[0] for image in images], np.int64),
        np.array([image.shape[1] for image in images], np.int64),
        tuple(hashes),
        hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest(),
    )


def crops(photographs: Photographs, batch: int, crop: int, rng: np.random.Generator) -> torch.Tensor:
    """Return random crops, randomly flipped left to right: float32 (batch, 3, crop, crop) in 0..1, on the device.

    A single gather operation cuts the whole batch, so that only a few numbers per crop are copied to the device.
    """
    chosen = rng.integers(len(photographs), size=batch)
    heights, widths = photographs.heights[chosen], photographs.widths[chosen]
    tops = rng.integers(0, heights - crop + 1)
    lefts = rng.integers(0, widths - crop + 1)
    flipped = rng.integers(0, 2, size=batch)
    first = photographs.starts[chosen] + 3 * (tops * widths + lefts + flipped * (crop - 1))
    numbers = torch.from_numpy(np.stack([first, 3 * widths, 3 - 6 * flipped]))
    device = photographs.pixels.device
    if device.type == "cuda":
        numbers = numbers.pin_memory().to(device, non_blocking=True)
    start, down, across = (column.view(-1, 1, 1, 1) for column in numbers)
    steps = torch.arange(crop, device=device)
    channel = torch.arange(3, device=device).view(1, 3, 1, 1)
    index = start + channel + down * steps.view(1, 1, -1, 1) + across * steps.view(1, 1, 1, -1)
    return photographs.pixels[index].float().div_(255)


def _read(path: Path) -> tuple[Image, str]:
    data = path.read_bytes()
    try:
        with Pillow.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                background = Pillow.new("RGBA", picture.size, "white")
                picture = Pillow.alpha_composite(background, picture)
            pixels = np.array(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise TrainingError(f"{path} cannot be read as an image: {error}") from error
    return pixels, hashlib.sha256(data).hexdigest()
