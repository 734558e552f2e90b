"""What tests may need of a machine: each asks by the mark `needs`, and is skipped with the reason where that lacks."""

import gc
import importlib.util
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from codecshift.corruptions import textures


def _packages(*names: str) -> Callable[[], bool]:
    return lambda: all(importlib.util.find_spec(name) for name in names)


def _any_file_name() -> bool:
    try:
        os.fsencode("ü")
    except UnicodeEncodeError:
        return False
    return True


NEEDS: Mapping[str, tuple[Callable[[], bool], str]] = {
    "git": (lambda: shutil.which("git") is not None, "git is not installed"),
    "checkout": ((Path(__file__).parents[1] / ".git").exists, "this is no git checkout"),
    "torch": (_packages("torch"), "torch is not installed: EXTRAS=test,referee or EXTRAS=test,neural"),
    "pytorch_msssim": (_packages("torch", "pytorch_msssim"), "pytorch-msssim is not installed: EXTRAS=test,referee"),
    "neural": (
        _packages("torch", "compressai", "safetensors"),
        "the extra neural is not installed: EXTRAS=test,neural",
    ),
    "kodak": (
        lambda: Path(os.environ.get("CODECSHIFT_DATA") or "/nowhere", "kodak").is_dir(),
        "CODECSHIFT_DATA names no folder that holds kodak/",
    ),
    "referees": (
        lambda: Path(os.environ.get("CODECSHIFT_DATA") or "/nowhere", "referees").is_dir(),
        "CODECSHIFT_DATA names no folder that holds referees/",
    ),
    "slow": (lambda: os.environ.get("CODECSHIFT_SLOW") == "1", "takes minutes: runs with CODECSHIFT_SLOW=1"),
    "names": (_any_file_name, "this locale has no file names outside ASCII"),
    "proc": (lambda: Path("/proc/self/statm").exists(), "this system has no /proc"),
    "alarm": (lambda: hasattr(signal, "setitimer"), "this system has no interval timer"),
    "full": (Path("/dev/full").exists, "this system has no /dev/full"),
    "no-root": (lambda: not hasattr(os, "geteuid") or os.geteuid() != 0, "nothing is forbidden to root"),
}

# What the extras of the package or the Kodak images can change, beside tests that need torch or Kodak by name.
FILES_WITH_EXTRAS = (
    "codecs/neural/",
    "codecs/test_jpeg_family.py",
    "benchmark/cli/test_app.py",
    "benchmark/cli/test_listing.py",
    "perf/test_neural_perf.py",
    "perf/test_row_perf.py",
    "test_house.py",
    "test_shared_libraries.py",
)
CODECS_OF_FORMATS = re.compile(r"\[.*\bjpeg(li|ls)\b")
NEEDS_OF_EXTRAS = {"torch", "pytorch_msssim", "neural", "kodak", "referees"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(*what): skipped where the machine lacks one of {', '.join(NEEDS)}")
    config.addinivalue_line("markers", "extras: what the extras of the package or the Kodak images can change")


def _asked(item: pytest.Item) -> set[str]:
    return {what for mark in item.iter_markers("needs") for what in mark.args}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what a second run with every extra has to repeat: `pytest -m extras`."""
    here = Path(__file__).parent
    for item in items:
        file = item.path.relative_to(here).as_posix()
        if file.startswith(FILES_WITH_EXTRAS) or _asked(item) & NEEDS_OF_EXTRAS or CODECS_OF_FORMATS.search(item.name):
            item.add_marker("extras")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the test items out of every garbage collection to come: walking them took most of the law of memory."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for what in sorted(_asked(item)):
        there, reason = NEEDS[what]
        if not there():
            pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _frost() -> None:
    """Have the photographs of frost at hand before tests point the user's cache elsewhere."""
    textures.fetch()
