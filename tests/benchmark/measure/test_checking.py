"""A codec that crashes or hangs under a law has broken it, and the next law is tried all the same.

One that cannot be opened has broken no law: that is said once.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from codecshift.benchmark.measure.checking import CHECKSUM, Opening, check
from codecshift.codecs import contract
from codecshift.codecs.contract import RISING_RATE, Verdict
from codecshift.codecs.protocol import Point, Spec
from codecshift.codecs.registry import find

CODECS = """
import ctypes, os, sys, time
from contextlib import contextmanager

from codecshift.codecs.identity import Identity


class Fragile(Identity):
    def __init__(self, fate, height):
        self.fate, self.height = fate, height

    def decode(self, data):
        if self.height == -2 and len(data) % 3 == 1:  # a stream of its own has 8 bytes and those of whole pixels
            ctypes.string_at(0)
        return super().decode(data)

    def encode(self, image):
        if self.height in (0, len(image)):
            {"dies": lambda: ctypes.string_at(0), "hangs": lambda: time.sleep(99), "exits": lambda: os._exit(0),
             "leaves": lambda: sys.exit(3)}[self.fate]()
        return super().encode(image)


def start(fate):
    {"lacks": lambda: {}["a tensor"], "dies": lambda: ctypes.string_at(0), "hangs": lambda: time.sleep(99)}[fate]()


@contextmanager
def refuses(fate, height):
    start(fate)
    yield


@contextmanager
def picky(fate, height):
    if height:
        start(fate)
    yield Identity()


@contextmanager
def slow(fate, height):
    time.sleep(0.5)
    yield Identity()


@contextmanager
def load(fate, height):
    with open("opened", "a") as log:
        log.write(f"{os.getpid()}\\n")
    yield Fragile(fate, height)
"""


@pytest.fixture
def fragile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Spec]:
    """A function that returns a codec of one point that meets its fate on images of a certain height, 0 for any."""
    (tmp_path / "codecshift_fragile.py").write_text(CODECS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def make(fate: str, height: int, points: int = 1, load: str = "load") -> Spec:
        params = {"fate": fate, "height": height}
        return Spec(
            "fragile", f"codecshift_fragile:{load}", tuple(Point(f"p{number}", params) for number in range(points))
        )

    return make


def verdicts_of(spec: Spec, limit: float) -> list[Verdict]:
    return [outcome for outcome in check(spec, spec.points, limit) if isinstance(outcome, Verdict)]


def test_a_sound_codec_is_judged_as_in_this_process() -> None:
    spec, points = find("jpeg")
    progress: list[tuple[int, int]] = []
    outcomes = list(check(spec, points[:2], 60, lambda done, total: progress.append((done, total))))
    opened, verdicts = outcomes[:2], outcomes[2:]
    assert [(one.point, one.fault, one.seconds > 0) for one in opened] == [
        (point.name, "", True) for point in points[:2]
    ]
    assert verdicts == list(contract.check(spec, points[:2]))
    assert all(verdict.tried and not verdict.fault for verdict in verdicts)
    assert progress == [(done, len(verdicts)) for done in range(len(verdicts) + 1)]


def test_one_process_works_all_laws_where_none_takes_it_along(fragile: Callable[..., Spec], tmp_path: Path) -> None:
    spec = fragile("dies", -1, points=2)
    broken = [verdict.law for verdict in verdicts_of(spec, 60) if verdict.fault]
    assert broken == [RISING_RATE]
    assert len(set((tmp_path / "opened").read_text(encoding="utf-8").split())) == 1


@pytest.mark.parametrize(
    ("fate", "fault"),
    [
        ("dies", "its process died of SIGSEGV"),
        ("exits", "its process ended with exit code 0"),
        ("hangs", "no answer within 2 s"),
        ("leaves", "raised SystemExit: 3"),
    ],
)
def test_what_takes_its_process_along_breaks_that_law_alone(
    fate: str, fault: str, fragile: Callable[..., Spec]
) -> None:
    spec = fragile(fate, 48)  # only the law of colours shows an image of this height
    verdicts = verdicts_of(spec, 2)
    assert {verdict.law: verdict.fault for verdict in verdicts if verdict.fault} == {"colour": fault}
    assert all(verdict.tried for verdict in verdicts)


def test_a_codec_that_only_crashes_is_given_up(fragile: Callable[..., Spec]) -> None:
    spec = fragile("dies", 0, points=2)
    verdicts = verdicts_of(spec, 60)
    assert [verdict.tried for verdict in verdicts] == [True] * 3 + [False] * (len(verdicts) - 3)
    assert len(verdicts) == len(contract.trials(spec, spec.points))


def test_a_law_that_only_crashes_is_given_up_and_the_others_are_not(fragile: Callable[..., Spec]) -> None:
    spec = fragile("dies", 48, points=5)
    verdicts = verdicts_of(spec, 60)
    colour = [verdict for verdict in verdicts if verdict.law == "colour"]
    assert [(verdict.tried, bool(verdict.fault)) for verdict in colour] == [(True, True)] * 3 + [(False, False)] * 2
    assert all(verdict.tried for verdict in verdicts if verdict.law != "colour")


# --- opening


def test_the_error_of_a_codec_that_cannot_be_opened_comes_once_with_its_traceback(
    fragile: Callable[..., Spec], tmp_path: Path
) -> None:
    spec = fragile("lacks", 1, points=3, load="refuses")
    outcomes = list(check(spec, spec.points, 60))
    assert [(type(outcome), outcome.point, outcome.fault) for outcome in outcomes] == [
        (Opening, f"p{number}", "KeyError: 'a tensor'") for number in range(3)
    ]
    assert {outcome.traceback for outcome in outcomes} == {outcomes[0].traceback}  # so that it can be said once
    lines = outcomes[0].traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "KeyError: 'a tensor'"
    assert f'File "{tmp_path / "codecshift_fragile.py"}"' in outcomes[0].traceback
    assert "contract.py" not in outcomes[0].traceback  # frames of ours help nobody


@pytest.mark.parametrize(
    ("fate", "fault"),
    [
        ("dies", "its process died of SIGSEGV"),
        ("hangs", "it did not open within 1 s: allow more with --time-limit"),
    ],
)
def test_opening_that_takes_the_process_along_is_said_once_and_ends_the_check(
    fate: str, fault: str, fragile: Callable[..., Spec]
) -> None:
    spec = fragile(fate, 1, points=3, load="refuses")
    assert list(check(spec, spec.points, 1)) == [Opening("p0", 0.0, fault)]


def test_points_that_open_are_checked_beside_one_that_does_not(fragile: Callable[..., Spec]) -> None:
    spec = fragile("lacks", 0, points=2, load="picky")
    spec = replace(spec, points=(spec.points[0], Point("p1", {"fate": "lacks", "height": 1})))
    outcomes = list(check(spec, spec.points, 60))
    assert [outcome.point for outcome in outcomes if outcome.fault] == ["p1"]
    assert {outcome.point for outcome in outcomes if isinstance(outcome, Verdict)} == {"p0"}
    assert len(outcomes) == 2 + len(contract.trials(spec, spec.points[:1]))


def test_the_time_of_opening_is_none_of_a_laws(fragile: Callable[..., Spec]) -> None:
    """A law opens the codec up to eight times, half a second each."""
    spec = fragile("", 0, load="slow")
    outcomes = list(check(spec, spec.points, 2))
    assert [outcome.fault for outcome in outcomes] == [""] * (1 + len(contract.trials(spec, spec.points)))
    assert outcomes[0].seconds >= 0.5


def test_a_crash_on_damaged_bytes_hints_at_a_checksum(fragile: Callable[..., Spec]) -> None:
    spec = fragile("", -2)
    faults = {verdict.law: verdict.fault for verdict in verdicts_of(spec, 60) if verdict.fault}
    assert faults == {"damage": f"its process died of SIGSEGV: {CHECKSUM}"}
