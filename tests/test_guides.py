"""What the front page and the guides say is so: commands parse or run, links lead somewhere, the codecs shown work."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from codecshift.benchmark.cli.app import EXAMPLES, app
from codecshift.benchmark.report.codecs import stated_sheet
from codecshift.benchmark.report.formats import render
from codecshift.benchmark.report.sheet import Format, Report
from codecshift.codecs.described import describe
from codecshift.codecs.registry import BUILT_IN

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", *(f"{room}/README.md" for room in ("benchmark", "codecs", "corruptions", "analysis", "results")))
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
README, CODECS = TEXTS["README.md"], TEXTS["codecs/README.md"]

SHELL_BLOCK = re.compile(r"(<!-- tested -->\n)?```sh\n(.*?)```", re.DOTALL)
"""The commands of a page; those behind the comment are run as they stand, on the images that come with the package."""


def commands(block: str) -> list[list[str]]:
    """Return the arguments of each `codecshift` command of a block, without comments and redirections."""
    lines = block.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines if line.startswith("codecshift ")]
    return [line[1 : line.index(">") if ">" in line else None] for line in words]


NAMED = [
    pytest.param(arguments, id=f"{page}: {shlex.join(arguments)}")
    for page, text in TEXTS.items()
    for _, block in SHELL_BLOCK.findall(text)
    for arguments in commands(block)
]
TESTED = [
    pytest.param(block, id=f"{page}: {block.splitlines()[0]}")
    for page, text in TEXTS.items()
    for mark, block in SHELL_BLOCK.findall(text)
    if mark
]


IN_HELP = [pytest.param(*commands(example), id=f"{name} --help") for name, example in EXAMPLES.items()]


@pytest.mark.parametrize("arguments", [*NAMED, *IN_HELP])
def test_every_command_has_the_options_it_is_shown_with(arguments: list[str]) -> None:
    name, *options = arguments
    typer.main.get_command(app).commands[name].make_context(name, options)


@pytest.mark.parametrize("block", TESTED)
def test_the_examples_run_as_they_stand(block: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}
    result = subprocess.run(
        ("sh", "-e", "-c", block), cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_are_there(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXTS[page]):
        file, _, heading = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_front_page_is_short() -> None:
    assert len(README.splitlines()) <= 200


# --- the codec of 20 lines


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the front page's codec as an installed package."""
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
    assert result.returncode == 0, result.stdout + result.stderr
    assert "BROKEN" not in result.stdout


def test_the_codec_joins_a_run(plugin: Path) -> None:
    labels = ("--codec", "deflate", "--codec", "jpeg")
    result = codecshift(plugin, "run", "--corruption", "fog", "--severity", "3", *labels, "--jobs", "1")
    assert result.returncode == 0, result.stderr
    assert "72 rows" in result.stderr  # 4 photographs x (6 + 12 points)
    assert re.search(r"\bdeflate\b.*\+\d+\.\d%", result.stdout)


# --- the guide to the codecs


def test_the_codec_described_in_toml_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(# cjxl\.toml\n.*?)```", CODECS, re.DOTALL)
    (tmp_path / "cjxl.toml").write_text(text, encoding="utf-8")
    spec = describe(tmp_path / "cjxl.toml")
    assert (spec.name, len(spec.points)) == ("cjxl", 5)


def test_the_table_of_codecs_is_the_registry_s() -> None:
    assert render(Report([stated_sheet(BUILT_IN)]), Format.markdown) in CODECS


def test_the_command_prints_the_same_table_and_what_it_measured(tmp_path: Path) -> None:
    stated = [line.split(" | ")[:8] for line in render(Report([stated_sheet(BUILT_IN)]), Format.markdown).splitlines()]
    table = [line.split(" | ") for line in codecshift(tmp_path, "codecs", "--format", "markdown").stdout.splitlines()]
    assert [line[:8] for line in table[: len(stated)]] == stated
    assert table[0][8] == "header |"
