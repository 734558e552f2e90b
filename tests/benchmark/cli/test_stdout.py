"""What a command prints is the same through a pipe and into a file, buffered and not, and no stray file is left."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import PIL.Image
import pytest
from codecshift.benchmark import store

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Complaints = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def measured(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """A run file with curves of two codecs, spectra, a matched point and a wave."""
    folder = tmp_path_factory.mktemp("measured")
    path = folder / "r.sqlite"
    images = ("--set", f"folder:{pair}", "--out", path)
    for arguments in (
        ("--codec", "jpeg", "--codec", "webp", "--corruption", "none", "--corruption", "fog", "--spectra"),
        ("--codec", "jpeg", "--corruption", "none", "--corruption", "fog", "--match", "bpp=1"),
        ("--codec", "jpeg:q50", "--corruption", "none", "--corruption", "fourier_3_m5_of_32"),
    ):
        done = command("run", *images, *arguments, "--severity", "3", cwd=folder)
        assert done.returncode == 0, done.stderr
    assert [file.name for file in folder.iterdir()] == ["r.sqlite"]
    return path


PRINTED = {
    **{f"rows-{form}": ("rows", "FILE", "--format", form) for form in ("csv", "json", "parquet")},
    **{
        f"leaderboard-{form}": ("leaderboard", "FILE", "--anchor", "jpeg", "--resamples", "100", "--format", form)
        for form in ("text", "json")
    },
    "matched": ("leaderboard", "FILE", "--matched"),
    "claims": ("claims", "FILE", "--only", "H9"),
    "spectra": ("spectra", "FILE", "--format", "json"),
    "heatmap": ("heatmap", "FILE"),
    "figures": ("figures", "FILE", "--list"),
    "corruptions": ("corruptions",),
    "sets": ("sets",),
    "plans": ("plans",),
    "recipes": ("train", "--list"),
    "help": ("run", "--help"),
}


def read(output: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(output))


IN_KIND = ("rows-csv", "rows-parquet", "leaderboard-text", "help")
"""Of what is printed, one of each kind: by pandas as text, as binary data, a report, and by typer."""


@pytest.mark.parametrize("name", IN_KIND)
def test_a_pipe_and_a_file_get_the_same(name: str, measured: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    arguments = [str(measured) if one == "FILE" else one for one in PRINTED[name]]
    here = tmp_path / "here"
    here.mkdir()
    launch = ("-c", "from codecshift.benchmark.cli import main; main()", *arguments)
    plain = {key: value for key, value in environment.items() if key != "PYTHONUNBUFFERED"}

    def run(**streams: object) -> "subprocess.CompletedProcess[bytes]":
        command = (sys.executable, *launch)
        return subprocess.run(command, cwd=here, check=True, timeout=120, **streams)  # type: ignore[call-overload]

    piped = run(stdout=subprocess.PIPE, env=plain).stdout
    with (tmp_path / "out").open("wb") as file:
        run(stdout=file, env=plain | {"PYTHONUNBUFFERED": "1"})
    assert list(here.iterdir()) == []
    assert piped
    assert piped == (tmp_path / "out").read_bytes()
    if name == "rows-parquet":
        pd.testing.assert_frame_equal(read(piped), store.read(measured))


@pytest.mark.parametrize("name", [name for name in PRINTED if name not in IN_KIND])
def test_a_buffered_and_an_unbuffered_stdout_get_the_same(
    name: str,
    measured: Path,
    here: Command,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In this process, with the streams that Python makes of a file, and without a stray file in the folder."""
    arguments = [str(measured) if one == "FILE" else one for one in PRINTED[name]]
    out = tmp_path_factory.mktemp("out")
    for buffered in (True, False):
        binary = (out / str(buffered)).open("wb", buffering=-1 if buffered else 0)
        with (
            io.TextIOWrapper(binary, encoding="ascii", write_through=not buffered) as stream,
            monkeypatch.context() as patch,
        ):
            patch.setattr(sys, "stdout", stream)
            assert here(*arguments).returncode == 0
    printed = (out / "True").read_bytes()
    assert printed
    assert printed == (out / "False").read_bytes()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "setting",
    [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}],
    ids=["cp1252", "C"],
)
def test_output_is_utf_8_whatever_the_encoding_asked_for(
    setting: dict[str, str], tmp_path: Path, environment: dict[str, str]
) -> None:
    image = "\uff05é±"  # a full-width percent sign, which few encodings have
    (tmp_path / "set").mkdir()
    PIL.Image.new("RGB", (40, 48), "teal").save(tmp_path / "set" / f"{image}.png")
    (tmp_path / "set" / "b.mö").write_bytes(b"x")
    start = (sys.executable, "-c", "from codecshift.benchmark.cli import main; main()")

    def run(*arguments: str) -> tuple[str, str]:
        done = subprocess.run(
            (*start, *arguments), cwd=tmp_path, env=environment | setting, capture_output=True, check=True, timeout=120
        )
        return done.stdout.decode("utf-8"), done.stderr.decode("utf-8")

    chosen = ("--codec", "jpeg:q50", "--corruption", "none", "--jobs", "1", "--out", "r.sqlite")
    board, notes = run("run", "--set", "folder:set", *chosen)
    assert "1 file is left out: 1 .mö" in notes
    rows, _ = run("rows", "r.sqlite")
    assert f",{image}," in rows
    assert "─" in board


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_reader_that_has_seen_enough_is_no_error(
    form: str, measured: Path, environment: dict[str, str], complaints: Complaints
) -> None:
    launch = (sys.executable, "-c", "from codecshift.benchmark.cli import main; main()")
    process = subprocess.Popen(
        (*launch, "rows", measured, "--format", form), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()  # before anything is written
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), complaints(error.decode())) == (0, [])


@pytest.mark.needs("full")
@pytest.mark.parametrize("name", ["rows-csv", "rows-parquet", "sets"])
def test_a_full_disk_is_one_sentence(
    name: str, measured: Path, environment: dict[str, str], complaints: Complaints
) -> None:
    arguments = [str(measured) if one == "FILE" else one for one in PRINTED[name]]
    launch = (sys.executable, "-c", "from codecshift.benchmark.cli import main; main()", *arguments)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            launch, stdout=full, stderr=subprocess.PIPE, encoding="utf-8", env=environment, check=False
        )
    assert (done.returncode, complaints(done.stderr)) == (2, ["codecshift: No space left on device"])
