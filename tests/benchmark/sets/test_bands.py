"""The measured bands: the stored measurement is of these corruptions, and measuring is what an independent sum says."""

import json
import math
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from codecshift.analysis.spectrum import third_of
from codecshift.benchmark.sets import bands
from codecshift.benchmark.sets.bands import STORED, Measured, MeasurementError, measure, out_of_order, read, write
from codecshift.corruptions.corruption import SEVERITIES, generator
from codecshift.corruptions.fourier import RMS
from codecshift.corruptions.pixels import UnreadableImage
from codecshift.corruptions.sets import ImageSet, SetError, open_set
from codecshift.corruptions.table import CORRUPTIONS, FIFTEEN, find

NOWHERE = Path("/nonexistent")


@pytest.fixture(scope="module")
def images(pair: Path) -> ImageSet:
    return open_set(f"folder:{pair}", NOWHERE)


def plain(measured: Measured) -> list[float]:
    return [getattr(measured, name) for name in bands.NUMBERS]


# --- measuring


def test_it_is_the_mean_over_images_of_an_independent_computation(
    images: ImageSet, photographs: dict[str, np.ndarray]
) -> None:
    sums = np.zeros(6)
    for image in ("hair", "suit"):
        clean = photographs[image]
        shown = find("fog")(clean, 2, generator(f"folder:pair/{image}/fog@2"))
        height, width = clean.shape[:2]
        distance = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
        for channel in range(3):
            difference = shown[..., channel].astype(float) - clean[..., channel]
            power = np.abs(np.fft.fft2(difference)) ** 2 / difference.size**2
            low, high = distance < 1 / 6, distance >= 1 / 3
            parts = [power, power * distance, power[:1, :1], power[low], power[~low & ~high], power[high]]
            sums += [float(part.sum()) / 6 for part in parts]
    expected = [sums[0], *(sums[1:] / sums[0])]
    (row,) = measure(images, ["fog"], [2]).rows
    assert (row.corruption, row.severity, row.band) == ("fog", 2, "low")
    np.testing.assert_allclose(expected, plain(row), rtol=1e-9)


def test_contrast_keeps_the_shape_of_the_image_itself(images: ImageSet, photographs: dict[str, np.ndarray]) -> None:
    """Contrast takes each channel to its mean by a factor: its difference is the image without frequency 0."""
    moment = total = 0.0
    for image in ("hair", "suit"):
        power = np.abs(np.fft.fft2(photographs[image].astype(float), axes=(0, 1))) ** 2
        power[0, 0] = 0
        height, width = photographs[image].shape[:2]
        distance = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
        moment += float((power * distance[..., None]).sum())
        total += float(power.sum())
    rows = measure(images, ["contrast"]).rows
    assert [row.severity for row in rows] == list(SEVERITIES)
    for row, keep in zip(rows, CORRUPTIONS["contrast"].levels, strict=True):
        assert row.centroid == pytest.approx(moment / total, rel=0.02)
        assert row.mse == pytest.approx((1 - keep) ** 2 * total / (2 * 3 * (170 * 190) ** 2), rel=0.02)


def test_a_wave_is_measured_where_it_was_put(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.full((64, 96, 3), 128, np.uint8)).save(tmp_path / "grey.png")
    names = ["fourier_4_0_of_32", "fourier_0_8_of_32", "fourier_16_16_of_32"]
    at = measure(open_set(f"folder:{tmp_path}", NOWHERE), names, [5]).at(5)
    for name, expected, band in zip(names, (1 / 8, 1 / 4, math.sqrt(0.5)), ("low", "medium", "high"), strict=True):
        assert at[name].centroid == pytest.approx(expected, rel=0.01)
        assert at[name].band == band
        assert at[name].mse == pytest.approx(RMS[4] ** 2, rel=0.02)


def test_where_nothing_changes_there_is_no_band(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.full((40, 40, 3), 255, np.uint8)).save(tmp_path / "white.png")
    measurement = measure(open_set(f"folder:{tmp_path}", NOWHERE), ["brightness"], [3])
    (row,) = measurement.rows
    assert (row.mse, row.band) == (0, "")
    assert math.isnan(row.centroid)
    write(measurement, tmp_path / "m.csv")
    (again,) = read(tmp_path / "m.csv").rows
    assert (again.mse, again.band) == (0, "")
    assert math.isnan(again.centroid)


def test_it_says_what_it_rests_on_and_how_far_it_is(images: ImageSet, pair: Path) -> None:
    told: list[tuple[str, int, int]] = []
    measurement = measure(images, ["fog", "contrast"], [1, 3], lambda *what: told.append(what))
    assert [(row.corruption, row.severity) for row in measurement.rows] == [
        *(("fog", 1), ("fog", 3), ("contrast", 1), ("contrast", 3))
    ]
    assert told == [("measuring folder:pair", done, 8) for done in range(1, 9)]
    assert measurement.provenance["corruptions"] == {name: find(name).version for name in ("fog", "contrast")}
    assert measurement.provenance["sets"] == {"folder:pair": {"digest": images.digest, "images": 2}}
    assert str(pair) not in json.dumps(measurement.provenance)


def test_an_image_too_small_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((31, 40, 3), np.uint8)).save(tmp_path / "tiny.png")
    with pytest.raises(SetError, match=r": tiny is 40x31, corruptions need at least 32 pixels per side"):
        measure(open_set(f"folder:{tmp_path}", NOWHERE), ["fog"])


def test_a_damaged_image_is_named(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    for name in ("bad", "good"):
        PIL.Image.fromarray(photographs["hair"]).save(tmp_path / f"{name}.png")
    whole = (tmp_path / "bad.png").read_bytes()
    (tmp_path / "bad.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableImage, match=r"^bad\.png: "):
        measure(open_set(f"folder:{tmp_path}", NOWHERE), ["contrast"], [1])


# --- the file


def test_a_file_reads_back_to_six_digits(images: ImageSet, tmp_path: Path) -> None:
    measurement = measure(images, ["fog", "contrast"], [1, 3])
    path = tmp_path / "m.csv"
    write(measurement, path)
    again = read(path)
    assert again.provenance == measurement.provenance
    for one, other in zip(measurement.rows, again.rows, strict=True):
        assert (one.corruption, one.severity, one.band) == (other.corruption, other.severity, other.band)
        np.testing.assert_allclose(plain(one), plain(other), rtol=1e-5)
    written = path.read_bytes()
    write(again, path)
    assert written == path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "m.csv is not a measurement of bands"),
        ("corruption,severity\n", "m.csv is not a measurement of bands"),
        ("# [1]\n", "m.csv is not a measurement of bands"),
        ('# {"version": 1}\ncorruption,severity\nfog,3\n', "m.csv is not a measurement of bands"),
        ('# {"version": 2}\n', "m.csv is version 2 of its format, expected 1: measure again"),
    ],
    ids=["empty", "no-provenance", "list", "columns", "newer"],
)
def test_another_file_is_refused(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MeasurementError, match=fault):
        read(path)


# --- the stored measurement


def test_what_is_stored_is_of_the_corruptions_as_they_are_and_of_the_kodak_images() -> None:
    stored = read()
    assert stored.provenance["corruptions"] == {name: one.version for name, one in CORRUPTIONS.items()}
    digest, count = stored.provenance["sets"]["kodak"]["digest"], stored.provenance["sets"]["kodak"]["images"]
    assert (len(digest), count) == (64, 24)
    assert [(row.corruption, row.severity) for row in stored.rows] == [
        (name, severity) for name in CORRUPTIONS for severity in SEVERITIES
    ]
    assert "/" not in json.dumps(stored.provenance)


def test_what_is_stored_agrees_with_itself() -> None:
    for row in read().rows:
        assert row.share_low + row.share_medium + row.share_high == pytest.approx(1, abs=2e-6)
        assert 0 <= row.share_dc <= row.share_low
        assert row.mse > 0
        assert row.band == third_of(row.centroid)


def test_what_is_stored_grows_with_severity_where_it_must() -> None:
    for name in ("brightness", "contrast", "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "pixelate"):
        errors = [row.mse for row in read().rows if row.corruption == name]
        assert errors == sorted(errors), name


def test_noises_are_white_but_for_clipping() -> None:
    white = (math.sqrt(2) + math.log(1 + math.sqrt(2))) / 6
    for name in ("gaussian_noise", "shot_noise", "impulse_noise"):
        assert read().at(1)[name].centroid == pytest.approx(white, rel=0.02)


@pytest.mark.needs("kodak")
@pytest.mark.parametrize("name", ["contrast", "shot_noise"])
def test_measuring_kodak_again_gives_what_is_stored(name: str) -> None:
    kodak = open_set("kodak", Path(os.environ["CODECSHIFT_DATA"]))
    (row,) = measure(kodak, [name], [3]).rows
    stored = read()
    assert stored.provenance["sets"]["kodak"]["digest"] == kodak.digest
    np.testing.assert_allclose(plain(stored.at(3)[name]), plain(row), rtol=1e-3, atol=1e-6)


def test_the_stored_file_is_package_data(request: pytest.FixtureRequest) -> None:
    import tomllib

    pyproject = tomllib.loads((request.config.rootpath / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = pyproject["tool"]["setuptools"]["package-data"]["*"]
    package = STORED.parents[1]
    assert any(STORED in package.glob(pattern) for pattern in patterns)


# --- the paper's bands


@pytest.mark.parametrize("severity", SEVERITIES)
def test_on_kodak_the_order_of_centroids_is_that_of_the_papers_bands(severity: int) -> None:
    """The README says so."""
    assert out_of_order({name: row.centroid for name, row in read().at(severity).items()}) == ()


def test_order_asks_for_no_boundary() -> None:
    rising = {name: float(place) for place, name in enumerate(FIFTEEN)}
    assert out_of_order(rising) == ()
    assert out_of_order({name: value**3 for name, value in rising.items()}) == ()
    assert out_of_order(rising | {"contrast": 6.5}) == (("contrast", "motion_blur"), ("contrast", "zoom_blur"))
    assert out_of_order({"fog": 1.0, "snow": 0.5}) == ()
    assert out_of_order({"fog": 1.0, "speckle_noise": 0.5}) == ()
    assert out_of_order({"fog": 1.0, "pixelate": 1.0}) == (("fog", "pixelate"),)
