"""What the README says is so: its codec of 20 lines joins as a plugin and obeys the laws."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from codecshift.benchmark.report.codecs import stated_sheet
from codecshift.benchmark.report.formats import render
from codecshift.benchmark.report.sheet import Format, Report
from codecshift.codecs.described import describe
from codecshift.codecs.registry import BUILT_IN

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the README's codec as an installed package."""
    folder = tmp_path_factory.mktemp("plugin")
    (code,) = re.findall(r"```python\n(# my_codec\.py\n.*?)```", README, re.DOTALL)
    (group, entry) = re.search(r'\[project\.entry-points\."(.+?)"\]\n(.+?)\n', README).groups()
    (folder / "my_codec.py").write_text(code, encoding="utf-8")
    info = folder / "my_codec-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-codec\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry.replace(chr(34), '')}\n", encoding="utf-8")
    return folder


def codecshift(plugin: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", "from codecshift.benchmark.cli import main; main()", *arguments)
    environment = {**os.environ, "PYTHONPATH": str(plugin)}
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", env=environment, cwd=plugin, timeout=120, check=False
    )


def test_the_codec_obeys_every_law(plugin: Path) -> None:
    result = codecshift(plugin, "check", "deflate")
    assert (result.returncode, result.stderr) == (0, "")
    assert "BROKEN" not in result.stdout


def test_the_codec_joins_a_run(plugin: Path) -> None:
    labels = ("--codec", "deflate", "--codec", "jpeg")
    result = codecshift(plugin, "run", "--corruption", "fog", "--severity", "3", *labels, "--jobs", "1")
    assert result.returncode == 0, result.stderr
    assert "68 rows" in result.stderr  # 4 photographs x (6 + 11 points)
    assert re.search(r"\bdeflate\b.*\+\d+\.\d%", result.stdout)


def test_the_codec_described_in_toml_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(# cjxl\.toml\n.*?)```", README, re.DOTALL)
    (tmp_path / "cjxl.toml").write_text(text, encoding="utf-8")
    spec = describe(tmp_path / "cjxl.toml")
    assert (spec.name, len(spec.points)) == ("cjxl", 5)


def test_every_command_it_names_exists() -> None:
    named = set(re.findall(r"^codecshift (\w+)", README, re.MULTILINE))
    listing = subprocess.run(
        (sys.executable, "-c", "from codecshift.benchmark.cli import main; main()", "--help"),
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert {command for command in named if not re.search(rf"\b{command}\b", listing)} == set()


def test_the_table_of_codecs_is_the_registry_s() -> None:
    assert render(Report([stated_sheet(BUILT_IN)]), Format.markdown) in README


def test_the_command_prints_the_same_table_and_what_it_measured(tmp_path: Path) -> None:
    stated = [line.split(" | ")[:8] for line in render(Report([stated_sheet(BUILT_IN)]), Format.markdown).splitlines()]
    table = [line.split(" | ") for line in codecshift(tmp_path, "codecs", "--format", "markdown").stdout.splitlines()]
    assert [line[:8] for line in table[: len(stated)]] == stated
    assert table[0][8] == "header |"
