"""The lane gives the rows that the pool gives, whatever the size of its batches and whatever dies on the way."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from codecshift.analysis.spectrum import Settings
from codecshift.benchmark import store
from codecshift.benchmark.measure.estimate import estimate
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.lane import attendant as attending
from codecshift.benchmark.measure.lane.attendant import Attendant
from codecshift.benchmark.measure.loop import LOST_ALONE
from codecshift.benchmark.measure.pools.local import LocalPool, division
from codecshift.benchmark.measure.search import match
from codecshift.benchmark.measure.sitting import Tally, run
from codecshift.benchmark.measure.tasks import Context, divided
from codecshift.benchmark.plan.plans import Plan, Shot
from codecshift.benchmark.plan.targets import Target
from codecshift.benchmark.store.provenance import Device
from codecshift.codecs.protocol import Point, Spec
from codecshift.codecs.registry import catalogue, find
from codecshift.corruptions.corruption import CLEAN

Command = Callable[..., "subprocess.CompletedProcess[str]"]
NOWHERE = Path("/nonexistent")
MODULE = "codecshift_lane_test_codecs"
MARK = (255, 0, 255)
"""The first pixel of the image that codecs misbehave on, where it is not corrupted."""

CODECS = '''
"""Codecs that stand in for neural ones."""
import os, signal, threading, time, zlib
from contextlib import contextmanager

import numpy as np

from codecshift.codecs.protocol import DecodeError, OutOfMemory


class Coarse:
    """Keeps some bits of each sample; `deed` is done with the images before they are encoded."""

    def __init__(self, bits, log, deed):
        self.bits, self.log, self.deed = bits, log, deed

    def tell(self, *words):
        if self.log:
            with open(self.log, "a") as log:
                print(f"p{self.bits}", *words, file=log)

    def encode(self, image):
        return self.code([image], "encode")[0]

    def decode(self, data):
        return np.frombuffer(zlib.decompress(data[8:]), np.uint8).reshape(*np.frombuffer(data[:8], "<u4"), 3).copy()

    def code(self, images, how):
        if images[0].shape != (64, 64, 3):
            self.tell(how, len(images), *sorted({image.shape[0] for image in images}))
            self.deed(images)
        lost = 8 - self.bits
        coarse = [image >> lost << lost for image in images]
        return [np.array(one.shape[:2], "<u4").tobytes() + zlib.compress(bytes(one)) for one in coarse]


class Batched(Coarse):
    def encode_batch(self, images):
        return self.code(images, "batch")

    def decode_batch(self, data):
        return [self.decode(one) for one in data]


class Estimating:
    def __init__(self, *arguments):
        self.coarse = Coarse(*arguments)
        self.tell = self.coarse.tell

    def estimate(self, image):
        (data,) = self.coarse.code([image], "estimate")
        return len(data) * 8 - 3.5, self.coarse.decode(data)


def marked(images):
    return any(tuple(image[0, 0]) == (255, 0, 255) for image in images)


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


BROKEN = []


def breaks(images):
    if marked(images):
        BROKEN.append(True)
    if BROKEN:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def raises(images):
    if marked(images):
        raise ValueError("what a codec raises")


def short(error, images):
    if len(images) > 2:
        raise error("no memory left")


def none(images):
    raise OutOfMemory("no memory left")


def exits(images):
    if marked(images):
        os._exit(3)


def dies(images):
    os._exit(3)


def hangs(images):
    if marked(images):
        threading.Event().wait()


def deaf(images):
    if marked(images):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        hangs(images)


def haunts(images):
    """Make measuring the rows of one image hang in this process."""
    from codecshift.benchmark.measure.lane import attendant

    measured = attendant.measured

    def haunted(shot, *rest):
        if shot.image == "hull":
            threading.Event().wait()
        return measured(shot, *rest)

    if measured.__name__ != "haunted":
        attendant.measured = haunted


def sleeps(images):
    time.sleep(0.02 * len(images))


def mixes(images):
    if len({image.shape for image in images}) > 1:
        raise ValueError("images of several shapes")


DEEDS = {
    "mixes": mixes, "breaks": breaks, "raises": raises, "exits": exits, "dies": dies, "hangs": hangs, "deaf": deaf,
    "sleeps": sleeps, "none": none, "haunts": haunts,
    "short": lambda images: short(OutOfMemory, images), "short-host": lambda images: short(MemoryError, images),
    "short-torch": lambda images: short(OutOfMemoryError, images),
}


@contextmanager
def load(argument, bits=4, log=""):
    kind, _, deed = argument.partition("/")
    if deed == "unopened":
        raise OSError("no such checkpoint")
    codec = {"batched": Batched, "single": Coarse, "estimating": Estimating}[kind](bits, log, DEEDS.get(deed, mixes))
    codec.tell("opened", os.getpid())
    yield codec
    codec.tell("closed", os.getpid())
'''


def spec(deed: str = "mixes", kind: str = "batched", log: Path | str = "", bits: Sequence[int] = (3, 5)) -> Spec:
    points = tuple(Point(f"p{one}", {"bits": one, "log": str(log)}) for one in bits)
    name = f"{kind}-{deed}"
    return Spec(name=name, load=f"{MODULE}:load:{kind}/{deed}", points=points, kind="neural")


@pytest.fixture(scope="module", autouse=True)
def _codecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("codecs")
    stand_in = f"\n\nfrom codecshift.codecs.protocol import Point, Spec\nstand_in = {spec()!r}\n"
    (folder / f"{MODULE}.py").write_text(CODECS + stand_in, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield


@pytest.fixture(scope="module")
def folder(photographs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photographs, one of them marked, one of another shape."""
    folder = tmp_path_factory.mktemp("sets") / "five"
    folder.mkdir()
    images = {**photographs, "marked": photographs["hair"][::-1].copy(), "tall": photographs["suit"].swapaxes(0, 1)}
    images["marked"][0, 0] = MARK
    for name, pixels in images.items():
        PIL.Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def job(folder: Path) -> Callable[..., Job]:
    """Return a function that makes a job of stand-ins, and of JPEG where asked for."""

    def make(*specs: Spec, codecs: Sequence[str] = (), corruptions: Sequence[str] = (CLEAN, "contrast")) -> Job:
        plan = Plan("test", "for tests", (f"folder:{folder}",), tuple(codecs), tuple(corruptions), (2,))
        return prepare(plan, NOWHERE, extra=specs)

    return make


def described(job: Job) -> Job:
    """Return a job after its provenance was taken, which tries each codec on a small image, and their logs removed."""
    assert job.provenance
    for one in job.specs.values():
        if log := one.points[0].params.get("log"):
            Path(str(log)).unlink()
    return job


def on_lane(job: Job, batch: int = 16) -> Job:
    """Return the same job on a lane whose device is the CPU."""
    return described(replace(job, device=Device("cpu", "cpu: for tests", batch)))


def untimed(path: Path) -> pd.DataFrame:
    return store.read(path).drop(columns=["encode_s", "decode_s"])


def lines(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text(encoding="utf-8").splitlines()]


def failed(path: Path) -> dict[tuple[str, str, str], str]:
    """Return the messages of rows that are not ok, by point, corruption and image."""
    faults = store.faults(path)
    return {(row.point, row.corruption, row.image): row.message for row in faults.itertuples()}


# --- what goes where


@pytest.mark.parametrize(
    ("jobs", "classical", "expected"),
    [(1, True, (1, 1)), (2, True, (1, 1)), (16, True, (12, 4)), (16, False, (1, 16))],
)
def test_workers_and_the_lanes_threads_share_the_cores(jobs: int, classical: bool, expected: tuple[int, int]) -> None:
    specs = {"n": spec()} | ({"jpeg": find("jpeg")[0]} if classical else {})
    context = Context({}, specs, "r", 60.0, device=Device("cpu", ""))
    assert expected == division(jobs, context)
    assert division(jobs, replace(context, device=None)) == (jobs, 0)


# --- the same rows


@pytest.mark.parametrize("kind", ["batched", "single", "estimating"])
def test_the_lane_gives_the_rows_that_the_pool_gives(kind: str, job: Callable[..., Job], tmp_path: Path) -> None:
    wanted = job(spec(kind=kind), codecs=["jpeg:q30"])
    paths = {size: tmp_path / f"{size}.sqlite" for size in ("pool", 1, 3, 16)}
    tally = run(wanted, paths["pool"], jobs=1)
    assert (tally.done, tally.failed, tally.skipped) == (30, 0, 0), tally.reasons
    # What they computed on is in their provenance, so that their runs have other ids.
    expected = untimed(paths["pool"]).drop(columns="run")
    for size in (1, 3, 16) if kind == "batched" else (3,):
        tally = run(on_lane(wanted, size), paths[size], jobs=2)
        assert (tally.done, tally.failed, tally.skipped) == (30, 0, 0), tally.reasons
        pd.testing.assert_frame_equal(expected, untimed(paths[size]).drop(columns="run"))
        pd.testing.assert_frame_equal(store.shifts(paths["pool"]), store.shifts(paths[size]))
        assert tally.codec_s > 0
        assert tally.measure_s > 0


@pytest.mark.parametrize("kind", ["batched", "single"])
def test_the_lane_gives_the_spectra_that_the_pool_gives(kind: str, job: Callable[..., Job], tmp_path: Path) -> None:
    wanted = replace(job(spec(kind=kind), codecs=["jpeg:q30"]), spectra=Settings())
    run(wanted, tmp_path / "pool.sqlite", jobs=2)
    run(on_lane(wanted, 2), tmp_path / "lane.sqlite", jobs=2)
    pool, lane = (store.spectra(tmp_path / f"{name}.sqlite") for name in ("pool", "lane"))
    assert len(pool) == 3 + 3 * 3
    assert set(pool["n"]) == {5}
    pd.testing.assert_frame_equal(pool.drop(columns="power"), lane.drop(columns="power"))
    for one, other in zip(pool["power"], lane["power"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert store.with_profiles(tmp_path / "pool.sqlite") == store.with_profiles(tmp_path / "lane.sqlite")


def test_one_codec_is_open_at_a_time_and_each_once(job: Callable[..., Job], tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(on_lane(job(spec(log=log))), tmp_path / "r.sqlite", jobs=1)
    told = [(point, word) for point, word, *_ in lines(log) if word in {"opened", "closed"}]
    assert told == [(point, word) for point in ("p3", "p5") for word in ("opened", "closed")]
    assert len({line[2] for line in lines(log) if line[1] in {"opened", "closed"}}) == 1  # one process


def test_a_batch_shape_is_warmed_up_once(job: Callable[..., Job], tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(on_lane(job(spec(log=log, bits=[4])), 3), tmp_path / "r.sqlite", jobs=1)
    told = [line[1:] for line in lines(log) if line[1] in {"encode", "batch"}]
    # Eight shots of one shape, and two of another; the first batch of each shape warms up, smaller ones need not.
    assert told == [["batch", "3", "170"]] * 3 + [["batch", "2", "170"]] + [["batch", "2", "190"]] * 2


def test_the_images_of_a_batch_share_its_time(job: Callable[..., Job], tmp_path: Path) -> None:
    run(on_lane(job(spec(bits=[4])), 4), tmp_path / "r.sqlite", jobs=1)
    table = store.read(tmp_path / "r.sqlite")
    table = table[table["height"] == 170]
    assert (table.groupby("encode_s").size() == 4).all()
    assert (table.groupby("decode_s").size() == 4).all()


@pytest.mark.parametrize("after", [1, 9])
def test_an_interrupted_run_goes_on_where_it_stopped(after: int, job: Callable[..., Job], tmp_path: Path) -> None:
    wanted = on_lane(job(spec(), codecs=["jpeg:q30"]), 2)
    run(wanted, tmp_path / "whole.sqlite", jobs=1)
    path = tmp_path / "r.sqlite"

    def interrupt(tally: Tally) -> None:
        if tally.done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(wanted, path, jobs=1, report=interrupt)
    before = store.read(path)
    assert after <= len(before) < 30
    tally = run(wanted, path, jobs=1)
    assert tally.done == tally.total == 30 - len(before)
    pd.testing.assert_frame_equal(untimed(tmp_path / "whole.sqlite"), untimed(path))
    assert len(before) == len(store.read(path).merge(before, how="inner"))


KILLED = """
from dataclasses import replace
from pathlib import Path
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.store.provenance import Device
from codecshift.benchmark.measure.job import prepare
from codecshift.benchmark.measure.sitting import run
from codecshift.codecs.protocol import Point, Spec

if __name__ == "__main__":
    plan = Plan("test", "", ({folder!r},), (), ("none", "contrast"), (2,))
    job = prepare(plan, Path("/nonexistent"), extra=[{spec!r}])
    run(replace(job, device=Device("cpu", "cpu: for tests", 2)), Path({path!r}), jobs=1)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_run_leaves_no_process_and_is_resumed(job: Callable[..., Job], folder: Path, tmp_path: Path) -> None:
    log, path, script = tmp_path / "log", tmp_path / "r.sqlite", tmp_path / "killed.py"
    slow = spec("sleeps", log=log)
    script.write_text(KILLED.format(folder=f"folder:{folder}", spec=slow, path=str(path)), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": sys.path[0]}
    process = subprocess.Popen([sys.executable, str(script)], env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline and (not log.exists() or len(lines(log)) < 8):
            time.sleep(0.01)
        process.kill()
        process.wait(timeout=60)
        worker = int(lines(log)[0][2])
        while is_running(worker) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_running(worker)
    finally:
        process.kill()
        process.wait()
    before = store.read(path)
    assert 0 < len(before) < 20
    wanted = on_lane(job(slow), 2)
    assert run(wanted, path, jobs=1).done == 20 - len(before)
    run(wanted, tmp_path / "whole.sqlite", jobs=1)
    pd.testing.assert_frame_equal(untimed(tmp_path / "whole.sqlite"), untimed(path))


# --- what goes wrong


@pytest.fixture(scope="module")
def whole(job: Callable[..., Job], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The rows of a stand-in that nothing disturbs."""
    path = tmp_path_factory.mktemp("whole") / "r.sqlite"
    run(on_lane(job(spec(bits=[4]), codecs=["jpeg:q30"])), path, jobs=1)
    return untimed(path)


def good(path: Path) -> pd.DataFrame:
    """Return the good rows of a file as if they were those of the stand-in that nothing disturbs."""
    table = untimed(path)
    table.loc[table["codec"] != "jpeg", "codec"] = "batched-mixes"
    return table[table["status"] == "ok"].drop(columns="run").reset_index(drop=True)


@pytest.mark.parametrize(
    ("deed", "limit", "message"),
    [
        ("raises", 60, "encode: ValueError: what a codec raises"),
        ("breaks", 60, "encode: RuntimeError: CUDA error: an illegal memory access was encountered"),
        ("exits", 60, "its process ended with exit code 3"),
        pytest.param(
            *("hangs", 1, "no answer within 1 s"),
            marks=pytest.mark.needs("alarm"),
        ),
        ("deaf", 1, "no answer within 1 s"),
    ],
)
def test_one_bad_image_costs_one_row(
    deed: str, limit: float, message: str, job: Callable[..., Job], whole: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "r.sqlite"
    tally = run(on_lane(job(spec(deed, bits=[4]), codecs=["jpeg:q30"]), 4), path, jobs=1, time_limit=limit)
    assert failed(path) == {("p4", CLEAN, "marked"): message}
    assert (tally.done, tally.failed, tally.skipped) == (20, 1, 0)
    bad = (whole["codec"] != "jpeg") & (whole["corruption"] == CLEAN) & (whole["image"] == "marked")
    pd.testing.assert_frame_equal(whole[~bad].drop(columns="run").reset_index(drop=True), good(path))


@pytest.mark.parametrize("deed", ["short", "short-host", "short-torch"])
def test_where_memory_is_short_fewer_go_together(
    deed: str, job: Callable[..., Job], whole: pd.DataFrame, tmp_path: Path
) -> None:
    log, path = tmp_path / "log", tmp_path / "r.sqlite"
    tally = run(on_lane(job(spec(deed, log=log, bits=[4]), codecs=["jpeg:q30"]), 8), path, jobs=1)
    assert (tally.done, tally.failed, tally.skipped) == (20, 0, 0)
    sizes = [int(line[2]) for line in lines(log) if line[1] in {"encode", "batch"}]
    # Halved twice, then warmed up, and never again tried with more; the last two are of another shape.
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2]
    pd.testing.assert_frame_equal(whole.drop(columns="run"), good(path))


def test_where_there_is_no_memory_for_one_image_its_row_says_so(job: Callable[..., Job], tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    assert run(on_lane(job(spec("none", bits=[4]))), path, jobs=1).failed == 10
    assert set(failed(path).values()) == {"encode: OutOfMemory: no memory left"}


def test_a_codec_that_cannot_be_opened_is_opened_once_and_fails(job: Callable[..., Job], tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    tally = run(on_lane(job(spec("unopened", bits=[4]), codecs=["jpeg:q30"]), 2), path, jobs=1)
    assert (tally.done, tally.failed) == (20, 10)
    ((reason, times), *_) = tally.reasons.most_common()
    assert reason.startswith("batched-unopened: open: CodecUnavailable: batched-unopened cannot be opened: OSError: no")
    assert times == 10


def test_a_codec_that_always_dies_is_given_up_and_the_others_go_on(job: Callable[..., Job], tmp_path: Path) -> None:
    log, path = tmp_path / "log", tmp_path / "r.sqlite"
    specs = (spec("dies", log=log, bits=[4]), spec(bits=[4]))
    tally = run(on_lane(job(*specs, codecs=["jpeg:q30"]), 2), path, jobs=1)
    assert (tally.done, tally.failed, tally.skipped) == (30, LOST_ALONE, 10 - LOST_ALONE)
    faults = store.faults(path)
    assert set(faults["codec"]) == {"batched-dies"}
    # Those that were in flight together, each as a batch, and then three images alone.
    assert sum(line[1] == "opened" for line in lines(log)) <= 3 + LOST_ALONE + 1


def test_an_image_that_hangs_costs_its_own_rows(folder: Path, tmp_path: Path) -> None:
    """It is no reason to give the codec up, which never saw the image."""
    hanging = tmp_path / "hanging"
    shutil.copytree(folder, hanging)
    plan = Plan("test", "for tests", (f"folder:{hanging}",), (), (CLEAN, "contrast", "fog", "snow"), (2,))
    wanted = on_lane(prepare(plan, NOWHERE, extra=[spec(bits=[4])]), 4)
    (hanging / "hull.png").unlink()
    os.mkfifo(hanging / "hull.png")  # which nobody writes to: opening it never ends
    path = tmp_path / "r.sqlite"
    tally = run(wanted, path, jobs=1, time_limit=1)
    assert (tally.done, tally.failed, tally.skipped) == (16, 0, 0)
    assert {(shot.image, shot.reason) for shot in store.unshown(path)} == {("hull", "no answer within 1 s")}


def test_a_measurement_that_hangs_costs_its_own_rows(job: Callable[..., Job], tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    tally = run(on_lane(job(spec("haunts", bits=[4])), 4), path, jobs=1, time_limit=1)
    assert (tally.done, tally.failed, tally.skipped) == (10, 2, 0)
    assert {image for _, _, image in failed(path)} == {"hull"}
    assert set(failed(path).values()) == {"no answer within 1 s"}


def test_a_damaged_image_costs_its_own_rows(folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in folder.glob("*.png"):
        data = file.read_bytes()
        (damaged / file.name).write_bytes(data[: len(data) // 2] if file.stem == "hull" else data)
    plan = Plan("test", "for tests", (f"folder:{damaged}",), (), (CLEAN, "contrast"), (2,))
    path = tmp_path / "r.sqlite"
    tally = run(on_lane(prepare(plan, NOWHERE, extra=[spec(bits=[4])])), path, jobs=1)
    assert (tally.done, tally.total, tally.failed) == (8, 8, 0)
    assert failed(path) == {}
    (shot,) = store.unshown(path)
    assert (shot.image, shot.corruption) == ("hull", CLEAN)
    assert shot.reason.startswith("hull.png: ")


def test_a_fault_of_ours_ends_the_run(job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does in the pool: a row that cannot be measured for no reason of the codec's is no failed row."""
    here, there = Pipe()
    wanted = on_lane(job(spec(bits=[4])))
    (batch,) = divided(wanted.tasks({}, retry_failed=False), context_of(wanted))[1][1:]

    def faulty(*_: object) -> None:
        raise AssertionError("as a fault of ours would")

    monkeypatch.setattr(attending, "measured", faulty)
    with ThreadPoolExecutor(1) as beside, Attendant(there, context_of(wanted), beside) as attendant:
        here.send((0, batch))
        here.send(None)
        attendant.work()
    said = []
    while here.poll():
        said.append(here.recv())
    assert said[-1].what == "done"
    assert isinstance(said[-1].value, AssertionError)


# --- beside the device


def context_of(job: Job) -> Context:
    return Context(job.sets, job.specs, job.run, 60.0, device=job.device)


def test_images_are_made_and_measured_while_the_device_is_at_a_batch(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch ends only when the images of the next are there, and the rows of the one before."""
    wanted = on_lane(job(spec(bits=[4])), 2)
    batches = divided(wanted.tasks({}, retry_failed=False), context_of(wanted))[1]
    shown: dict[Shot, threading.Event] = {shot: threading.Event() for batch in batches for shot in batch.shots}
    reported = [threading.Event() for _ in batches]
    show, attempt = attending._Shown.__call__, Attendant._attempt

    def noted(self: attending._Shown, shot: Shot) -> Any:
        image = show(self, shot)
        shown[shot].set()
        return image

    def slow(self: Attendant, number: int, *rest: Any) -> Any:
        if number + 1 < len(batches):
            assert all(shown[shot].wait(30) for shot in batches[number + 1].shots)
        if number:
            assert reported[number - 1].wait(30)
        return attempt(self, number, *rest)

    monkeypatch.setattr(attending._Shown, "__call__", noted)
    monkeypatch.setattr(Attendant, "_attempt", slow)
    here, there = Pipe()
    with ThreadPoolExecutor(1) as beside, Attendant(there, context_of(wanted), beside) as attendant:
        for number, batch in enumerate(batches):
            here.send((number, batch))
        here.send(None)
        working = threading.Thread(target=attendant.work)
        monkeypatch.setattr(attending, "set_alarm", lambda _: None)
        working.start()
        done = 0
        while done < len(batches):
            assert here.poll(60)
            said = here.recv()
            if said.what == "done":
                assert {row.status for row in said.value.rows} == {"ok"}
                reported[said.number].set()
                done += 1
        working.join()


def test_what_was_made_is_kept_as_long_as_there_is_space(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = on_lane(job(spec(bits=[4])))
    context = context_of(wanted)
    shots = [task.shot for task in wanted.tasks({}, retry_failed=False)]
    made: list[Shot] = []
    show = attending.show
    monkeypatch.setattr(attending, "show", lambda of, shot, clean: made.append(shot) or show(of, shot, clean))
    for space, expected in ((0, 10), (10 * 170 * 190 * 3, 5), (7 * 170 * 190 * 3, 7)):
        made.clear()
        monkeypatch.setattr(attending, "share", lambda _, space=space: space)
        shown = attending._Shown(context)
        first = [shown(shot).copy() for shot in shots]
        again = [shown(shot) for shot in shots]
        assert len(made) == expected, space
        assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


# --- the whole


def test_no_process_outlives_a_run_that_is_left(job: Callable[..., Job], tmp_path: Path) -> None:
    log = tmp_path / "log"
    wanted = on_lane(job(spec("hangs", log=log, bits=[4])), 1)

    def interrupted() -> None:
        with LocalPool(1, context_of(wanted)) as pool:
            batches = iter(divided(wanted.tasks({}, retry_failed=False), pool.context)[1])
            next(pool.work(lambda: None, lambda: next(batches, None)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not is_running(int(lines(log)[0][2]))


def test_matched_points_are_those_that_the_pool_finds(job: Callable[..., Job], tmp_path: Path) -> None:
    wanted = job(spec(bits=range(1, 8)), codecs=["jpeg"])
    targets = [Target.parse("bpp=4"), Target.parse("psnr=30")]
    found = {
        where: match(one, targets, tmp_path / f"{where}.sqlite", jobs=1)
        for where, one in (("pool", wanted), ("lane", on_lane(wanted)))
    }
    assert found["pool"].matches == found["lane"].matches
    assert {one.codec for one in found["lane"].matches} == {"jpeg", "batched-mixes"}
    pool, lane = (untimed(tmp_path / f"{where}.sqlite").drop(columns="run") for where in ("pool", "lane"))
    pd.testing.assert_frame_equal(pool, lane)


def test_an_estimate_tries_a_batch(job: Callable[..., Job], tmp_path: Path) -> None:
    log = tmp_path / "log"
    wanted = on_lane(job(spec(log=log), codecs=["jpeg:q30"]), 2)
    guess = estimate(wanted, tmp_path / "r.sqlite", 2)
    assert guess.rows == 30
    assert guess.seconds > 0
    assert [line[1:3] for line in lines(log) if line[1] in {"encode", "batch"}] == [["batch", "2"]] * 2 * 2
    run(wanted, tmp_path / "r.sqlite", jobs=1)
    log.unlink()
    assert estimate(wanted, tmp_path / "r.sqlite", 2).seconds == 0
    assert not log.exists()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in offered by an entry point, and a machine whose device is the CPU, with a lane."""
    info = tmp_path / "site" / "codecshift_lane_test-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: codecshift-lane-test\nVersion: 0.1\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(f"[codecshift.codecs]\nlane = {MODULE}:stand_in\n", encoding="utf-8")
    monkeypatch.syspath_prepend(info.parent)
    monkeypatch.setattr("codecshift.benchmark.measure.job.chosen", lambda *_: Device("cpu", "cpu: for tests"))
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.mark.usefixtures("installed")
def test_the_command_runs_neural_codecs_on_the_device(folder: Path, here: Command, tmp_path: Path) -> None:
    arguments = [
        *("run", "--set", f"folder:{folder}", "--codec", "batched-mixes", "--codec", "jpeg:q30", "--device", "auto"),
        *("--corruption", "none", "--out", tmp_path / "r.sqlite"),
    ]
    tried = here(*arguments, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "device  cpu: for tests, up to 16 images per batch" in tried.stdout.splitlines()
    ran = here(*arguments)
    assert ran.returncode == 0, ran.stderr
    assert "neural codecs on cpu: for tests, up to 16 images per batch" in ran.stderr.splitlines()
    assert "15 rows in " in ran.stderr
    (described,) = store.runs(tmp_path / "r.sqlite").values()
    assert described["device"] == "cpu: for tests"
    assert described["codecs"]["batched-mixes"]["batch"] == 16
    matched = here(*arguments, "--match", "bpp=4")
    assert matched.returncode == 0, matched.stderr
