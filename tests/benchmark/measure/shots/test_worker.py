"""A worker's rows are what Pillow, NumPy and a corruption called by hand say; what goes wrong costs one row only."""

import gc
import io
import math
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import PIL.Image
import pytest
from codecshift.analysis.measures.ms_ssim import Prepared, ms_ssim
from codecshift.analysis.spectrum import EVERY_CHANNEL, Settings, grid, power_spectrum
from codecshift.benchmark.measure.shots import images as making
from codecshift.benchmark.measure.shots import worker as working
from codecshift.benchmark.measure.shots.worker import Worker
from codecshift.benchmark.measure.tasks import Context, Task
from codecshift.benchmark.plan.plans import Shot
from codecshift.benchmark.store import Row, Unshown, blank
from codecshift.codecs.identity import Identity
from codecshift.codecs.protocol import CodecUnavailable, Point, Spec
from codecshift.codecs.registry import catalogue, find
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.sets import ImageSet, open_set
from codecshift.corruptions.table import CORRUPTIONS

HERE = "codecshift_shot_test_codecs"

JPEG = ("jpeg-fixed", find("jpeg-fixed:q50")[1][0])
WEBP = ("webp", find("webp:q45")[1][0])
IDENTITY = ("identity", Point("raw"))


def worker(images: ImageSet, *specs: Spec, spectra: Settings | None = None) -> Worker:
    known = {**catalogue().specs, **{spec.name: spec for spec in specs}}
    return Worker(Context({images.name: images}, known, "run-id", 60.0, spectra=spectra))


@pytest.fixture(scope="module")
def images(pair: Path) -> ImageSet:
    return open_set(f"folder:{pair}", Path("/nonexistent"))


def untimed(row: Row) -> Row:
    return replace(row, encode_s=None, decode_s=None)


# --- rows


@pytest.mark.parametrize(("corruption", "severity"), [(CLEAN, 0), ("gaussian_noise", 3), ("fog", 5), ("contrast", 1)])
@pytest.mark.parametrize(
    ("pair_", "format_", "quality"), [(JPEG, "JPEG", 50), (WEBP, "WEBP", 45)], ids=["jpeg", "webp"]
)
def test_a_row_is_what_an_independent_computation_says(
    corruption: str,
    severity: int,
    pair_: tuple[str, Point],
    format_: str,
    quality: int,
    images: ImageSet,
    photographs: dict[str, np.ndarray],
) -> None:
    clean = photographs["suit"]
    shown = clean
    if corruption != CLEAN:
        seed = blake2b(f"folder:pair/suit/{corruption}@{severity}".encode(), digest_size=16).digest()
        rng = np.random.Generator(np.random.PCG64(int.from_bytes(seed, "little")))
        shown = CORRUPTIONS[corruption](clean.copy(), severity, rng)
    buffer = io.BytesIO()
    PIL.Image.fromarray(shown).save(buffer, format_, quality=quality, method=6)  # JPEG has no methods
    seen = np.asarray(PIL.Image.open(buffer).convert("RGB"))

    def error(first: np.ndarray, second: np.ndarray) -> int:
        return int(((first.astype(np.int64) - second) ** 2).sum())

    (row,) = worker(images).work(Task(Shot("folder:pair", "suit", corruption, severity), (pair_,))).rows
    expected = {
        "set": "folder:pair",
        "corruption": corruption,
        "severity": severity,
        "codec": pair_[0],
        "point": f"q{quality}",
        "image": "suit",
        "height": 170,
        "width": 190,
        "nbytes": len(buffer.getvalue()),
        "error": error(seen, shown),
        "error_clean": error(seen, clean),
        "status": "ok",
        "message": "",
        "run": "run-id",
    }
    assert expected == {name: getattr(row, name) for name in expected}
    expected_scores = {
        ("ms_ssim", "shown"): ms_ssim(Prepared(seen), Prepared(shown)),
        ("ms_ssim", "clean"): ms_ssim(Prepared(seen), Prepared(clean)),
    }
    assert row.scores == pytest.approx(expected_scores, abs=1e-6)
    assert row.encode_s is not None
    assert row.decode_s is not None
    assert min(row.encode_s, row.decode_s) > 0


@pytest.mark.needs("pytorch_msssim")
def test_ms_ssim_agrees_with_the_common_implementation(images: ImageSet, photographs: dict[str, np.ndarray]) -> None:
    import pytorch_msssim as referee
    import torch

    buffer = io.BytesIO()
    PIL.Image.fromarray(photographs["hair"]).save(buffer, "JPEG", quality=50)
    first, second = (
        torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
        for image in (PIL.Image.open(buffer).convert("RGB"), photographs["hair"])
    )
    (row,) = worker(images).work(Task(Shot("folder:pair", "hair", CLEAN, 0), (JPEG,))).rows
    expected = float(referee.ms_ssim(first, second, data_range=255))
    assert row.scores["ms_ssim", "shown"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("corruption", "severity"), [(CLEAN, 0), ("shot_noise", 2)])
def test_identity_is_lossless(corruption: str, severity: int, images: ImageSet) -> None:
    (row,) = worker(images).work(Task(Shot("folder:pair", "hair", corruption, severity), (IDENTITY,))).rows
    assert (row.error, row.scores["ms_ssim", "shown"], row.nbytes) == (0, 1.0, 8 + 3 * 170 * 190)
    if corruption == CLEAN:
        assert (row.error_clean, row.scores["ms_ssim", "clean"]) == (0, 1.0)
    else:
        assert row.error_clean is not None
        assert row.error_clean > 0
        assert row.scores["ms_ssim", "clean"] < 1


def test_a_small_image_has_a_psnr_but_no_ms_ssim(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    for name, height in (("just", 161), ("under", 160)):
        PIL.Image.fromarray(photographs["hull"][:height]).save(tmp_path / f"{name}.png")
    images = open_set(f"folder:{tmp_path}", Path("/nonexistent"))
    rows = {}
    for name in ("just", "under"):
        task = Task(Shot(images.name, name, "fog", 2), (JPEG, IDENTITY))
        rows |= {(name, row.codec): row for row in worker(images).work(task).rows}
    assert {row.status for row in rows.values()} == {"ok"}
    assert all(rows["under", codec].scores == {} for codec in (JPEG[0], "identity"))
    assert all(len(rows["just", codec].scores) == 2 for codec in (JPEG[0], "identity"))
    assert (rows["under", JPEG[0]].error or 0) > 0


def test_rows_depend_neither_on_order_nor_on_what_was_worked_before(images: ImageSet) -> None:
    conditions = [(CLEAN, 0), ("snow", 3), ("impulse_noise", 5)]
    tasks = [
        Task(Shot("folder:pair", image, *condition), (JPEG, WEBP))
        for image in ("hair", "suit")
        for condition in conditions
    ]
    one = worker(images)
    forwards = {row.key: untimed(row) for task in tasks for row in one.work(task).rows}
    backwards = {row.key: untimed(row) for task in reversed(tasks) for row in one.work(task).rows}
    apart = {
        row.key: untimed(row)
        for task in tasks
        for pair in task.points
        for row in worker(images).work(replace(task, points=(pair,))).rows
    }
    assert len(forwards) == 12
    assert forwards == backwards
    assert forwards == apart


def test_the_time_in_codecs_is_the_sum_over_the_rows(images: ImageSet) -> None:
    worked = worker(images).work(Task(Shot("folder:pair", "hair", "fog", 1), (JPEG, WEBP)))
    inside = [(row.encode_s or 0) + (row.decode_s or 0) for row in worked.rows]
    assert worked.codec_s == pytest.approx(math.fsum(inside))
    assert worked.measure_s > 0


# --- spectra

REAL = {"jpeg": ("JPEG", 50, JPEG), "webp": ("WEBP", 45, WEBP)}
LUMINANCE = np.array([0.299, 0.587, 0.114])


def pixels(
    photograph: np.ndarray, image: str, corruption: str, severity: int, codec: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what was decoded, shown and clean, in floats, made by hand."""
    shown = photograph
    if corruption != CLEAN:
        seed = blake2b(f"folder:pair/{image}/{corruption}@{severity}".encode(), digest_size=16).digest()
        rng = np.random.Generator(np.random.PCG64(int.from_bytes(seed, "little")))
        shown = CORRUPTIONS[corruption](photograph.copy(), severity, rng)
    buffer = io.BytesIO()
    format_, quality, _ = REAL[codec]
    PIL.Image.fromarray(shown).save(buffer, format_, quality=quality, method=6)
    seen = np.asarray(PIL.Image.open(buffer).convert("RGB"))
    return seen.astype(np.float64), shown.astype(np.float64), photograph.astype(np.float64)


@pytest.mark.parametrize("codec", REAL)
@pytest.mark.parametrize(
    ("corruption", "severity"), [("gaussian_noise", 3), ("fog", 5), ("contrast", 1), ("brightness", 4)]
)
def test_spectra_obey_the_identities_on_real_codecs(
    codec: str, corruption: str, severity: int, images: ImageSet, photographs: dict[str, np.ndarray]
) -> None:
    one = worker(images, spectra=Settings(EVERY_CHANNEL))
    (row,) = one.work(Task(Shot("folder:pair", "suit", corruption, severity), (REAL[codec][2],))).rows
    assert row.spectra is not None
    found = {**row.spectra.own, **row.spectra.shot}
    assert set(found) == {(quantity, channel) for quantity in ("G", "R", "shift", "image") for channel in "YRGB"}
    samples = row.height * row.width * 3  # type: ignore[operator]
    # Parseval, with the errors as they are stored.
    for quantity, error in (("G", row.error), ("R", row.error_clean)):
        assert sum(found[quantity, channel].sum() for channel in "RGB") / 3 == pytest.approx(error / samples, rel=1e-6)
    seen, shown, clean = pixels(photographs["suit"], "suit", corruption, severity, codec)
    for place, channel in enumerate("RGBY"):
        lost, shift = (one @ LUMINANCE if channel == "Y" else one[..., place] for one in (seen - shown, shown - clean))
        transforms = [np.fft.fft2(one) / one.size for one in (lost, shift)]
        cross = grid(np.real(transforms[0] * transforms[1].conj()))
        expected = found["G", channel] + found["shift", channel] + 2 * cross
        np.testing.assert_allclose(found["R", channel], expected, rtol=1e-4, atol=1e-7 * found["R", channel].max())
        image = shown @ LUMINANCE if channel == "Y" else shown[..., place]
        for quantity, difference in (("G", lost), ("shift", shift), ("R", lost + shift), ("image", image)):
            exact = grid(power_spectrum(difference))
            np.testing.assert_allclose(found[quantity, channel], exact, rtol=1e-4, atol=1e-6 * exact.max())


@pytest.mark.parametrize("codec", REAL)
def test_the_spectra_of_a_clean_row_are_of_its_error_and_of_the_image(
    codec: str, images: ImageSet, photographs: dict[str, np.ndarray]
) -> None:
    one = worker(images, spectra=Settings())
    (row,) = one.work(Task(Shot("folder:pair", "hair", CLEAN, 0), (REAL[codec][2],))).rows
    assert row.spectra is not None
    assert (list(row.spectra.own), list(row.spectra.shot)) == ([("D", "Y")], [("image", "Y")])
    seen, _, clean = pixels(photographs["hair"], "hair", CLEAN, 0, codec)
    for found, exact in ((row.spectra.own["D", "Y"], seen - clean), (row.spectra.shot["image", "Y"], clean)):
        expected = grid(power_spectrum(exact @ LUMINANCE))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * expected.max())


def test_a_lossless_codec_has_the_shift_alone(images: ImageSet) -> None:
    one = worker(images, spectra=Settings())
    (row,) = one.work(Task(Shot("folder:pair", "hair", "fog", 2), (IDENTITY,))).rows
    assert row.spectra is not None
    assert row.spectra.own["G", "Y"].sum() == 0
    np.testing.assert_array_equal(row.spectra.own["R", "Y"], row.spectra.shot["shift", "Y"])


def test_rows_are_the_same_with_and_without_spectra(images: ImageSet) -> None:
    task = Task(Shot("folder:pair", "hair", "fog", 2), (JPEG, WEBP))
    plain, spectral = (worker(images, spectra=how).work(task).rows for how in (None, Settings()))
    assert [untimed(row) for row in plain] == [untimed(row) for row in spectral]
    assert all(row.spectra is None for row in plain)
    assert all(row.spectra is not None for row in spectral)


# --- what goes wrong

BEHAVIOURS: dict[str, tuple[Callable[[np.ndarray], object], str]] = {
    "raises": (lambda _: 1 // 0, "decode: ZeroDivisionError: "),
    "floats": (
        lambda seen: seen / 255,
        r"decode: TypeError: decode returned float64 \(170, 190, 3\), expected uint8",
    ),
    "crops": (lambda seen: seen[1:], r"decode returned uint8 \(169, 190, 3\), expected uint8 \(170, 190, 3\)"),
    "grey": (lambda seen: seen[..., 0], r"decode returned uint8 \(170, 190\), expected uint8 \(170, 190, 3\)"),
    "nothing": (lambda _: None, "decode returned NoneType, expected a NumPy array"),
}


def opened_as(codec: object) -> Callable[..., object]:
    @contextmanager
    def load() -> Iterator[object]:
        yield codec

    return load


class Bytes(Identity):
    def encode(self, image: np.ndarray) -> bytes:
        return bytearray(super().encode(image))  # type: ignore[return-value]


class EncodeRaises(Identity):
    def encode(self, image: np.ndarray) -> bytes:
        if image.shape[0] != 64:
            raise RuntimeError("no")
        return super().encode(image)


class Scribbles(Identity):
    def encode(self, image: np.ndarray) -> bytes:
        if image.shape[0] != 64:
            image[0, 0] = 0
        return super().encode(image)


class Decodes(Identity):
    def __init__(self, behave: Callable[[np.ndarray], object]) -> None:
        self.behave = behave

    def decode(self, data: bytes) -> np.ndarray:
        seen = super().decode(data)
        return seen if seen.shape[0] == 64 else self.behave(seen)  # type: ignore[return-value]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], Spec]:
    """Return a function that offers an object as a codec under a name."""

    def offered(name: str, load: object) -> Spec:
        module = ModuleType(f"{HERE}_{name}")
        module.load = load  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return Spec(name=name, load=f"{HERE}_{name}:load", points=(Point("p"),))

    return offered


def beside_jpeg(images: ImageSet, spec: Spec) -> Row:
    """Work a shot with a codec in between two good ones, which must be unharmed; return its row."""
    task = Task(Shot(images.name, "hair", "fog", 2), (JPEG, (spec.name, Point("p")), WEBP))
    rows = worker(images, spec).work(task).rows
    alone = worker(images).work(replace(task, points=(JPEG, WEBP))).rows
    assert [untimed(row) for row in alone] == [untimed(rows[0]), untimed(rows[2])]
    return rows[1]


def is_failed(row: Row, reason: str) -> None:
    assert row.status == "failed"
    assert re.search(reason, row.message), row.message
    shot = Shot(row.set, row.image, row.corruption, row.severity)
    assert row == blank(shot, row.codec, "p", "run-id", "failed", row.message)


@pytest.mark.parametrize(("behave", "reason"), BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_a_decoder_that_misbehaves_costs_its_row(
    behave: Callable[[np.ndarray], object],
    reason: str,
    images: ImageSet,
    offer: Callable[[str, object], Spec],
) -> None:
    row = beside_jpeg(images, offer("bad", opened_as(Decodes(behave))))
    is_failed(row, f"^decode: .*{reason.removeprefix('decode: ')}")


@pytest.mark.parametrize(
    ("codec", "reason"),
    [
        (Bytes(), "^encode: TypeError: encode returned bytearray, expected bytes"),
        (EncodeRaises(), "^encode: RuntimeError: no$"),
        (Scribbles(), "^encode: ValueError: .*read-only"),
    ],
    ids=["bytearray", "raises", "writes-to-its-input"],
)
def test_an_encoder_that_misbehaves_costs_its_row(
    codec: Identity, reason: str, images: ImageSet, offer: Callable[[str, object], Spec]
) -> None:
    is_failed(beside_jpeg(images, offer("bad", opened_as(codec))), reason)


def test_a_failed_row_has_no_spectra(images: ImageSet, offer: Callable[[str, object], Spec]) -> None:
    spec = offer("bad", opened_as(EncodeRaises()))
    task = Task(Shot(images.name, "hair", "fog", 2), (JPEG, (spec.name, Point("p"))))
    good, bad = worker(images, spec, spectra=Settings()).work(task).rows
    assert (good.status, bad.status) == ("ok", "failed")
    assert good.spectra is not None
    assert bad.spectra is None


def test_a_codec_that_cannot_be_opened_costs_its_row(images: ImageSet, offer: Callable[[str, object], Spec]) -> None:
    def load() -> None:
        raise OSError("no such library")

    row = beside_jpeg(images, offer("bad", load))
    is_failed(row, "^open: CodecUnavailable: bad cannot be opened: OSError: no such library")


def test_a_message_of_any_length_is_kept_short(images: ImageSet, offer: Callable[[str, object], Spec]) -> None:
    def complain(seen: np.ndarray) -> object:
        raise CodecUnavailable("x" * 10_000)

    assert len(beside_jpeg(images, offer("bad", opened_as(Decodes(complain)))).message) < 600


@pytest.mark.parametrize(
    "layout",
    [np.asfortranarray, lambda seen: seen[::-1].copy()[::-1], np.ma.masked_array],
    ids=["columns-first", "backwards", "masked"],
)
def test_pixels_may_lie_in_memory_as_they_like(
    layout: Callable[[np.ndarray], np.ndarray], images: ImageSet, offer: Callable[[str, object], Spec]
) -> None:
    darker = Decodes(lambda seen: layout(seen // 2))
    row = beside_jpeg(images, offer("odd", opened_as(darker)))
    plain = beside_jpeg(images, offer("odd", opened_as(Decodes(lambda seen: seen // 2))))
    assert plain.status == "ok"
    assert untimed(plain) == untimed(row)


class Panic(BaseException):
    """What extension modules written in Rust raise, e.g. pyo3's PanicException."""


@pytest.mark.parametrize("wrong", [SystemExit(3), Panic("at src/lib.rs")], ids=["SystemExit", "Panic"])
def test_not_even_what_is_no_exception_leaves_a_worker(
    wrong: BaseException, images: ImageSet, offer: Callable[[str, object], Spec]
) -> None:
    """Else one `sys.exit` in a plugin ends the whole run."""

    def raises(seen: np.ndarray) -> object:
        raise wrong

    spec = offer("bad", opened_as(Decodes(raises)))
    try:
        row = beside_jpeg(images, spec)
    except type(wrong):
        pytest.fail(f"{type(wrong).__name__} left the worker")
    is_failed(row, f"^decode: {type(wrong).__name__}")


def test_a_codec_that_fails_at_its_warm_up_is_closed_again(
    images: ImageSet, offer: Callable[[str, object], Spec]
) -> None:
    """Else a model of gigabytes would be loaded anew for each shot, and none of them let go."""
    opened, closed = [], []

    class Fails(Identity):
        def decode(self, data: bytes) -> np.ndarray:
            raise RuntimeError(f"no {len(data)}")

    @contextmanager
    def load() -> Iterator[Identity]:
        opened.append(1)
        try:
            yield Fails()
        finally:
            closed.append(1)

    spec = offer("bad", load)
    one = worker(images, spec)
    for severity in (1, 2, 3):
        (row,) = one.work(Task(Shot(images.name, "hair", "fog", severity), ((spec.name, Point("p")),))).rows
        is_failed(row, f"^open: RuntimeError: no {8 + 3 * 64 * 64}$")
    assert len(opened) == len(closed)


def test_a_codec_is_opened_once(images: ImageSet, offer: Callable[[str, object], Spec]) -> None:
    opened = []

    @contextmanager
    def load() -> Iterator[Identity]:
        opened.append(1)
        yield Identity()

    spec = offer("good", load)
    one = worker(images, spec)
    for severity in (1, 2, 3):
        one.work(Task(Shot(images.name, "hair", "fog", severity), ((spec.name, Point("p")),)))
    assert opened == [1]


def test_a_damaged_image_makes_no_rows_and_its_reason_names_no_folder(
    tmp_path: Path, photographs: dict[str, np.ndarray]
) -> None:
    for name in ("bad", "good"):
        PIL.Image.fromarray(photographs["hair"]).save(tmp_path / f"{name}.png")
    whole = (tmp_path / "bad.png").read_bytes()
    (tmp_path / "bad.png").write_bytes(whole[: len(whole) // 2])
    images = open_set(f"folder:{tmp_path}", Path("/nonexistent"))
    one = worker(images)
    for condition in ((CLEAN, 0), ("fog", 1)):
        worked = one.work(Task(Shot(images.name, "bad", *condition), (JPEG, WEBP)))
        assert (worked.rows, len(worked.unshown)) == ((), 2)
        (shot,) = set(worked.unshown)
        assert shot[:4] == (images.name, "bad", CLEAN, 0)
        assert shot.reason.startswith("bad.png: ")
        assert "/" not in shot.reason
    assert [row.status for row in one.work(Task(Shot(images.name, "good", CLEAN, 0), (JPEG, WEBP))).rows] == [
        "ok",
        "ok",
    ]


def test_an_image_changed_since_it_was_listed_makes_no_rows(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    PIL.Image.fromarray(photographs["hair"]).save(tmp_path / "one.png")
    images = open_set(f"folder:{tmp_path}", Path("/nonexistent"))
    PIL.Image.fromarray(photographs["suit"]).save(tmp_path / "one.png")
    worked = worker(images).work(Task(Shot(images.name, "one", CLEAN, 0), (JPEG,)))
    reason = "one.png has changed since the set was opened"
    assert (worked.rows, worked.unshown) == ((), (Unshown(images.name, "one", CLEAN, 0, reason),))


def test_an_image_too_small_to_be_corrupted_has_its_clean_row(
    tmp_path: Path, photographs: dict[str, np.ndarray]
) -> None:
    PIL.Image.fromarray(photographs["hair"][:31, :40]).save(tmp_path / "tiny.png")
    images = open_set(f"folder:{tmp_path}", Path("/nonexistent"))
    one = worker(images)
    (clean,) = one.work(Task(Shot(images.name, "tiny", CLEAN, 0), (JPEG,))).rows
    spoiled = one.work(Task(Shot(images.name, "tiny", "fog", 3), (JPEG,)))
    assert (clean.status, spoiled.rows) == ("ok", ())
    reason = "fog needs at least 32 pixels a side, got 40x31"
    assert spoiled.unshown == (Unshown(images.name, "tiny", "fog", 3, reason),)


@pytest.mark.needs("alarm")
def test_an_alarm_is_set_whatever_a_worker_does(
    images: ImageSet, offer: Callable[[str, object], Spec], monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms: dict[str, float] = {}

    def noted(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: object) -> Any:
            alarms[stage] = signal.getitimer(signal.ITIMER_REAL)[0]
            return function(*arguments)

        return note

    stages = ("load_clean", "show", "shift_of", "shot_spectra", "measured")
    for stage in stages:
        monkeypatch.setattr(working, stage, noted(stage, getattr(working, stage)))
    spec = offer("looks", noted("open", opened_as(Decodes(noted("decode", lambda seen: seen)))))
    (row,) = worker(images, spec).work(Task(Shot(images.name, "hair", "fog", 2), ((spec.name, Point("p")),))).rows
    assert row.status == "ok"
    assert alarms.keys() == {*stages, "open", "decode"}
    assert {stage for stage, left in alarms.items() if not 0 < left <= 60} == set()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def alive(kind: type) -> int:
    return sum(type(thing) is kind for thing in gc.get_objects())


@pytest.mark.parametrize("fails", ["load", "corrupt", "open", "encode"])
def test_what_fails_keeps_no_shot_alive(
    fails: str, images: ImageSet, offer: Callable[[str, object], Spec], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that is kept, or that is in a reference cycle, keeps the pixels in the frames of its traceback."""

    def load() -> None:
        raise OSError("no such library")

    def fail(*_: object) -> None:
        held = Prepared(np.zeros((32, 32, 3), np.uint8))
        raise ValueError(f"nothing is made of {held.image.shape}")

    if fails in {"load", "corrupt"}:
        monkeypatch.setattr(*{"load": (working, "load_clean"), "corrupt": (making, "corrupt")}[fails], fail)
    spec = offer("bad", load if fails == "open" else opened_as(EncodeRaises()))
    one = worker(images, spec)
    gc.collect()
    before = alive(Prepared)
    gc.disable()
    try:
        for severity in (1, 2, 3, 4, 5):
            worked = one.work(Task(Shot(images.name, "hair", "fog", severity), ((spec.name, Point("p")),)))
            assert [row.status for row in worked.rows] == (["failed"] if fails in {"open", "encode"} else [])
            assert len(worked.unshown) == (fails in {"load", "corrupt"})
        assert alive(Prepared) - before <= 1  # the clean image
    finally:
        gc.enable()
