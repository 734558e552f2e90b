"""The digest of a corruption changes with any pixel it makes, and with nothing else."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from codecshift.corruptions import digests, textures
from codecshift.corruptions.corruption import MINIMUM_SIDE, Corruption, Image
from codecshift.corruptions.digests import example, pixels
from codecshift.corruptions.fourier import fourier
from codecshift.corruptions.table import CORRUPTIONS, find
from codecshift.corruptions.textures import TexturesMissing


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    pixels.cache_clear()


def one_pixel_off(corruption: Corruption, level: object) -> Corruption:
    """Return the corruption with one sample of one severity a grey level away."""

    def apply(image: Image, given: object, rng: np.random.Generator) -> Image:
        spoiled = corruption.apply(image, given, rng)
        if given == level:
            spoiled = spoiled.copy()
            spoiled[-1, -1, -1] ^= 1
        return spoiled

    return replace(corruption, apply=apply)


@pytest.mark.parametrize("severity", [1, 5])
def test_a_digest_changes_with_one_sample_of_one_severity(severity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pixels("contrast")
    changed = one_pixel_off(find("contrast"), find("contrast").levels[severity - 1])
    monkeypatch.setattr(digests, "find", lambda _: changed)
    pixels.cache_clear()
    assert pixels("contrast") != before


def test_digests_are_those_of_another_process_and_all_differ() -> None:
    names = ["fog", "gaussian_noise", "glass_blur", "fourier_3_m5"]
    script = f"from codecshift.corruptions.digests import pixels; print(*map(pixels, {names}))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, encoding="utf-8")
    here = [pixels(name) for name in names]
    assert done.stdout.split() == here
    assert len(set(here)) == len(names)


def test_every_corruption_changes_the_example() -> None:
    """Else a library that does nothing would have the digest of one that works."""
    image = example()
    assert min(image.shape[:2]) >= MINIMUM_SIDE
    for corruption in CORRUPTIONS.values():
        if corruption.prepare is None or textures.wheel() is not None:
            spoiled = corruption(image, 3, np.random.default_rng(0))
            assert np.count_nonzero(spoiled != image) > image.size / 100, corruption.name


def test_all_waves_have_one_digest() -> None:
    """A heatmap is of thousands, made by one function."""
    assert pixels("fourier_3_m5") == pixels(fourier(1, 2, 32).name)


def test_photographs_that_are_not_here_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textures, "wheel", lambda: None)
    with pytest.raises(TexturesMissing):
        pixels("frost")
