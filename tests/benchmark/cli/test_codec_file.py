"""A codec described in a file joins a run beside the others, and a file that describes none is refused."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FILE = f"""
name = "copier"
encode = ['{sys.executable}', "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read() + bytes({{more}}))"]
decode = ['{sys.executable}', "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"]
picture = "ppm"
points = [10, 20]
scale = {{ prefix = "m", parameter = "more", low = 0, high = 100 }}
"""
Here = Callable[..., "subprocess.CompletedProcess[str]"]
SHORT = ("--corruption", "none", "--jobs", "1", "--out", "r.sqlite")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "copier.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_the_codec_joins_the_codecs_named(file: Path, here: Here, tmp_path: Path) -> None:
    result = here("run", *SHORT, "--codec", "jpeg:q50", "--codec-file", file)
    assert result.returncode == 0, result.stderr
    assert "12 rows" in result.stderr  # 4 photographs x (1 + 2 points)
    rows = here("rows", "r.sqlite").stdout
    assert len(re.findall(r",copier,m(?:10|20),", rows)) == 8
    again = here("run", *SHORT, "--codec", "jpeg:q50", "--codec-file", file)
    assert "nothing to do" in again.stderr


def test_a_label_says_which_of_its_points(file: Path, here: Here) -> None:
    result = here("run", *SHORT, "--codec", "copier:m3", "--codec-file", file)
    assert result.returncode == 0, result.stderr
    assert "4 rows" in result.stderr
    assert ",copier,m3," in here("rows", "r.sqlite").stdout


def test_the_codec_can_be_checked(file: Path, here: Here) -> None:
    result = here("check", "copier:m10", "--codec-file", file)
    assert result.returncode == 0, result.stdout
    assert "passed  shape" in result.stdout


def test_another_description_does_not_mix_with_its_rows(file: Path, here: Here) -> None:
    assert here("run", *SHORT, "--codec", "copier:m3", "--codec-file", file).returncode == 0
    file.write_text(FILE + "# another file\n", encoding="utf-8")
    result = here("run", *SHORT, "--codec", "copier:m4", "--codec-file", file)
    assert result.returncode == 2
    assert "codec 'copier' is not the same in all runs" in result.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"copier.toml: expected the key 'name'"),
        ("name = ", r"copier.toml is not TOML"),
        (FILE.replace("copier", "jpeg"), r"a codec named 'jpeg' already exists: choose another name"),
        (None, r"copier.toml cannot be read: No such file or directory"),
    ],
    ids=["empty", "no-toml", "taken", "missing"],
)
def test_a_file_that_describes_no_codec_is_refused_in_one_sentence(
    text: str | None, sentence: str, file: Path, here: Here
) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")
    result = here("run", *SHORT, "--codec-file", file)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(rf"codecshift: .*{sentence}.*\n", result.stderr)


def test_two_files_of_one_name_are_refused(file: Path, here: Here, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(FILE, encoding="utf-8")
    result = here("run", *SHORT, "--codec-file", file, "--codec-file", "other.toml")
    assert result.returncode == 2
    assert "other.toml: a codec named 'copier' already exists" in result.stderr


def test_the_codec_can_be_matched(file: Path, here: Here) -> None:
    result = here("run", *SHORT, "--codec", "jpeg", "--codec-file", file, "--match", "bpp=4")
    assert result.returncode == 0, result.stderr
    assert "copier" in result.stdout + result.stderr
