"""A codec that crashes or hangs under a law has broken it, and the next law is tried all the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.benchmark.measure.checking import check
from codecshift.codecs import contract
from codecshift.codecs.contract import RISING_RATE
from codecshift.codecs.protocol import Point, Spec
from codecshift.codecs.registry import find

CODECS = """
import ctypes, os, sys, time
from contextlib import contextmanager

from codecshift.codecs.identity import Identity


class Fragile(Identity):
    def __init__(self, fate, height):
        self.fate, self.height = fate, height

    def encode(self, image):
        if self.height in (0, len(image)):
            {"dies": lambda: ctypes.string_at(0), "hangs": lambda: time.sleep(99), "exits": lambda: os._exit(0),
             "leaves": lambda: sys.exit(3)}[self.fate]()
        return super().encode(image)


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

    def make(fate: str, height: int, points: int = 1) -> Spec:
        params = {"fate": fate, "height": height}
        return Spec(
            "fragile", "codecshift_fragile:load", tuple(Point(f"p{number}", params) for number in range(points))
        )

    return make


def test_a_sound_codec_is_judged_as_in_this_process() -> None:
    spec, points = find("jpeg")
    progress: list[tuple[int, int]] = []
    verdicts = list(check(spec, points[:2], 60, lambda done, total: progress.append((done, total))))
    assert verdicts == list(contract.check(spec, points[:2]))
    assert all(verdict.tried and not verdict.fault for verdict in verdicts)
    assert progress == [(done, len(verdicts)) for done in range(len(verdicts) + 1)]


def test_one_process_works_all_laws_where_none_takes_it_along(fragile: Callable[..., Spec], tmp_path: Path) -> None:
    spec = fragile("dies", -1, points=2)
    broken = [verdict.law for verdict in check(spec, spec.points, 60) if verdict.fault]
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
    verdicts = list(check(spec, spec.points, 2))
    assert {verdict.law: verdict.fault for verdict in verdicts if verdict.fault} == {"colour": fault}
    assert all(verdict.tried for verdict in verdicts)


def test_a_codec_that_only_crashes_is_given_up(fragile: Callable[..., Spec]) -> None:
    spec = fragile("dies", 0, points=2)
    verdicts = list(check(spec, spec.points, 60))
    assert [verdict.tried for verdict in verdicts] == [True] * 3 + [False] * (len(verdicts) - 3)
    assert len(verdicts) == len(contract.trials(spec, spec.points))


def test_a_law_that_only_crashes_is_given_up_and_the_others_are_not(fragile: Callable[..., Spec]) -> None:
    spec = fragile("dies", 48, points=5)
    verdicts = list(check(spec, spec.points, 60))
    colour = [verdict for verdict in verdicts if verdict.law == "colour"]
    assert [(verdict.tried, bool(verdict.fault)) for verdict in colour] == [(True, True)] * 3 + [(False, False)] * 2
    assert all(verdict.tried for verdict in verdicts if verdict.law != "colour")
