"""Photographs: read as they look, known by their bytes, and cropped where the numbers say."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from codecshift.codecs.neural.training.photographs import crops, load  # noqa: E402
from codecshift.codecs.neural.training.recipe import TrainingError  # noqa: E402
from PIL import Image as Pillow  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "deeper").mkdir()
    for name, height, width in (("a.png", 70, 90), ("deeper/b.PNG", 64, 100), ("c.bmp", 101, 65)):
        Pillow.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image", encoding="utf-8")
    return tmp_path


def test_every_image_below_is_read(folder: Path) -> None:
    found = load(folder, CPU, 64)
    assert [found.image(place).shape for place in range(3)] == [(70, 90, 3), (101, 65, 3), (64, 100, 3)]
    assert np.array_equal(found.image(1), np.asarray(Pillow.open(folder / "c.bmp")))


def test_the_digest_is_of_the_files_and_not_of_their_names(folder: Path) -> None:
    found = load(folder, CPU)
    hashes = sorted(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.*") if path.suffix != ".txt"
    )
    assert found.digest == hashlib.sha256("".join(hashes).encode()).hexdigest()
    (folder / "a.png").rename(folder / "z.png")
    assert load(folder, CPU).digest == found.digest
    (folder / "c.bmp").unlink()
    assert load(folder, CPU).digest != found.digest


def test_crops_are_parts_of_the_images_flipped_or_not(folder: Path) -> None:
    found = load(folder, CPU, 64)
    cut = (crops(found, 40, 64, np.random.default_rng(2)) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert cut.shape == (40, 64, 64, 3)
    images = [found.image(place) for place in range(3)]
    windows = [
        image[top : top + 64, left : left + 64]
        for image in images
        for top in range(image.shape[0] - 63)
        for left in range(image.shape[1] - 63)
    ]
    plain = {window.tobytes() for window in windows}
    flipped = {window[:, ::-1].tobytes() for window in windows}
    kinds = [(one.tobytes() in plain, one.tobytes() in flipped) for one in cut]
    assert set(kinds) == {(True, False), (False, True)}


def test_the_same_generator_cuts_the_same(folder: Path) -> None:
    found = load(folder, CPU, 64)
    first, again = (crops(found, 4, 64, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(first, again)


def test_pictures_become_rgb_as_they_look(tmp_path: Path) -> None:
    Pillow.new("L", (64, 64), 77).save(tmp_path / "1.png")
    Pillow.new("RGBA", (64, 64), (10, 20, 30, 0)).save(tmp_path / "2.png")
    turned = Pillow.new("RGB", (80, 64))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "3.jpg", exif=exif)
    found = load(tmp_path, CPU)
    assert (found.image(0) == 77).all()
    assert (found.image(1) == 255).all()
    assert found.image(2).shape == (80, 64, 3)


def test_images_below_the_crop_are_named(folder: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"smaller than the crop of 80x80: a\.png \(90x70\), c\.bmp .*deeper/b\.PNG"
    ):
        load(folder, CPU, 80)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no images in"):
        load(tmp_path, CPU)
    with pytest.raises(TrainingError, match="there is no folder"):
        load(tmp_path / "not", CPU)


def test_a_damaged_image_is_named(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    with pytest.raises(TrainingError, match=r"bad\.png cannot be read as an image"):
        load(folder, CPU)
