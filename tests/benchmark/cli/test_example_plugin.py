"""The example package, installed as any other, is in every command."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from codecshift.benchmark import store
from codecshift.codecs.registry import catalogue

SOURCE = Path(__file__).parents[2] / "codecs" / "example_plugin"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has installed the example into, without network: pip and setuptools are those at hand."""
    if not importlib.util.find_spec("pip"):
        pytest.skip("this environment was made without pip")
    folder = tmp_path_factory.mktemp("scratch")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    command = (sys.executable, "-m", "pip", "install", *options, "--target", folder / "site", folder / "source")
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def installed(few_codecs: None, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example in this process and in those that it starts, beside a few codecs that are built in."""
    monkeypatch.syspath_prepend(scratch)
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.mark.usefixtures("installed")
def test_it_is_listed_with_all_that_is_fair_to_say(here: Command) -> None:
    done = here("codecs", "--format", "json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["faults"] == {}
    one = {codec["codec"]: codec for codec in data["codecs"]}["block-dct-420"]
    assert re.fullmatch(r"SciPy \S+, zlib \S+", one.pop("library"))
    assert 10 < one.pop("header_bytes") < 60
    assert 1000 < one.pop("container_bytes") < 1500
    assert one == {
        "codec": "block-dct-420",
        "ladder": "s96 s64 s40 s25 s16 s8 s4",
        "version": 1,
        "kind": "classical",
        "chroma": "4:2:0",
        "bit_depth": 8,
        "colour": "BT.601 full",
        "effort": "level 9",
        "threads": 1,
        "process": False,
        "settings": "8x8 DCT, uniform quantiser, DEFLATE",
        "fault": "",
    }


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("label", ["block-dct:s7.5", "block-dct-420"])
def test_it_obeys_every_law(label: str, here: Command) -> None:
    done = here("check", label)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout
    assert re.search(r"^block-dct(-420)?: (\d+) of \2 checks passed$", done.stdout, re.MULTILINE)


def test_it_joins_a_run_and_what_is_published_of_it(
    pair: Path, scratch: Path, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "r.sqlite"
    done = command(
        *("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--codec", "block-dct", "--corruption", "fog"),
        *("--severity", 3, "--corruption", "none", "--out", out, "--jobs", 1),
        env={"PYTHONPATH": str(scratch)},
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"\bblock-dct\b.*\+\d+\.\d%", done.stdout)
    table = store.read(out)
    assert set(table["status"]) == {"ok"}
    assert len(table) == 2 * 2 * (12 + 7)
    # A step of 4 grey levels in an orthonormal transform: an error of 4 / sqrt(12) in each of Y, Cb and Cr.
    assert 40 < table[table["point"] == "s4"]["psnr"].mean() < 48
    assert command("export", out, tmp_path).returncode == 0  # without the plugin: it is all in the run file
    lines = (tmp_path / "v1" / "codecs.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["codec", "block-dct", "jpeg"]
    assert re.search(r",SciPy [^,]+, zlib [^,]+,\d+,", lines[1].replace('"', ""))
