"""The rules of the house: which room may know which, what importing may cost, and what lies where."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = ("analysis", "benchmark", "codecs", "corruptions")
LEAVES = ("analysis", "codecs", "corruptions")
NOT_ROOMS = {"tests", "results", "build", "dist", "venv"}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def named(path: Path) -> str:
    """Return the name that a file of the house is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("codecshift", *parts)).removesuffix(".__init__")


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return the full name of whatever a file imports, anywhere in it."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    package = ["codecshift", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run((sys.executable, *arguments), capture_output=True, encoding="utf-8", check=True, **options)


# --- rooms


@pytest.mark.parametrize("path", [path for room in LEAVES for path in modules(room)], ids=named)
def test_a_leaf_knows_nothing_of_ours_outside_its_own_room(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    ours = [name for name in imports(path) if name.split(".")[0] in {"codecshift", *ROOMS}]
    assert [name for name in ours if not f"{name}.".startswith(f"codecshift.{room}.")] == []


FLOORS = ("plan", "store", "measure", "sets", "report", "cli")
"""The sub-rooms of the benchmark, from the ground up: each may know those below it."""


def floor(name: str) -> str:
    """Return the sub-room of the benchmark that a module is in, "" for a module of another room."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["codecshift", "benchmark"] and len(parts) > 2 else ""


@pytest.mark.parametrize("path", modules("benchmark"), ids=named)
def test_a_sub_room_of_the_benchmark_knows_only_those_below_it(path: Path) -> None:
    own = floor(named(path))
    known = {floor(name) for name in imports(path)} - {"", own}
    above = FLOORS[FLOORS.index(own) :] if own else ()
    assert known & {*above} == set()
    assert known <= {*FLOORS}


def test_no_file_is_in_a_circle_of_imports() -> None:
    files = {named(path): path for room in ROOMS for path in modules(room)}
    known = {
        name: {
            found if found in files else found.rpartition(".")[0]
            for found in imports(path)
            if found in files or found.rpartition(".")[0] in files
        }
        - {name}
        for name, path in files.items()
    }
    while leaves := {name for name, others in known.items() if not others}:
        known = {name: others - leaves for name, others in known.items() if name not in leaves}
    assert known == {}


def test_the_sub_rooms_of_the_benchmark_are_those_of_the_house() -> None:
    assert {path.parent.name for path in (ROOT / "benchmark").glob("*/__init__.py")} == {*FLOORS}
    assert [path.name for path in (ROOT / "benchmark").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("path", [path for room in ROOMS for path in modules(room)], ids=named)
def test_within_the_package_imports_are_relative(path: Path) -> None:
    absolute = [
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        for alias in node.names
    ]
    assert [name for name in absolute if name and name.split(".")[0] == "codecshift"] == []


def test_the_packages_listed_are_the_folders_that_hold_modules() -> None:
    folders = {path.parent.relative_to(ROOT) for path in ROOT.rglob("*.py")}
    rooms = {
        folder for folder in folders if not any(part in NOT_ROOMS or part.startswith(".") for part in folder.parts)
    }
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(
        ".".join(("codecshift", *folder.parts)) for folder in rooms
    )
    # mypy finds what lies inside a room by itself, and takes a second mention for a second module.
    assert PYPROJECT["tool"]["mypy"]["packages"] == [
        name for name in PYPROJECT["tool"]["setuptools"]["packages"] if name.count(".") == 1
    ]


@pytest.mark.parametrize("package", PYPROJECT["tool"]["setuptools"]["packages"])
def test_every_package_is_typed(package: str) -> None:
    assert (ROOT.joinpath(*package.split(".")[1:]) / "py.typed").is_file()


@pytest.mark.parametrize("trap", ["__init__.py", "codecshift", "codecs/__init__.py", "tests/codecs/__init__.py"])
def test_nothing_hides_the_standard_librarys_codecs(trap: str) -> None:
    assert not (ROOT / trap).exists()


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "misc"])
def test_a_file_is_a_concept(name: str) -> None:
    found = [path for room in (*ROOMS, "tests") for path in modules(room) if path.stem in {name, name.rstrip("s")}]
    assert found == []


@pytest.mark.parametrize("path", [path for room in ROOMS for path in modules(room)], ids=named)
def test_a_file_ends_before_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", [path for room in ROOMS for path in modules(room)], ids=named)
def test_a_file_opens_with_one_sentence(path: Path) -> None:
    first, _, _ = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")
    assert first.endswith(".")


# --- what importing costs

ENTRY_POINTS_REFUSED = """
import importlib.metadata, json, sys
def refuse(*_, **__):
    raise AssertionError("entry points were scanned while importing")
importlib.metadata.entry_points = refuse
for name in sys.argv[1:]:
    __import__(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
HEAVY = {"torch", "torchvision", "compressai", "matplotlib", "skimage", "bjontegaard"}


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("codecshift.benchmark.cli", HEAVY | {"pandas", "numpy", "cv2", "scipy", "PIL"}),
        ("codecshift.benchmark.store", HEAVY | {"pandas", "numpy", "cv2", "scipy", "PIL"}),
        ("codecshift.codecs.registry", HEAVY | {"pandas", "cv2", "scipy"}),
        ("codecshift.corruptions.table", HEAVY | {"pandas"}),
        ("codecshift.analysis.rate", HEAVY | {"pandas", "scipy"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "light",
)
def test_importing_is_free(module: str, kept_out: set[str]) -> None:
    loaded = json.loads(run("-c", ENTRY_POINTS_REFUSED, module).stdout)
    assert kept_out & set(loaded) == set()


def test_no_module_imports_what_is_heavy_or_scans_for_plugins() -> None:
    # codecs/neural alone may import torch: its modules are first imported when one of its codecs is opened.
    # pools/warmed.py is the start of measuring: nothing but the process that workers are forked from imports it.
    names = [named(path) for room in ROOMS for path in modules(room) if "neural" not in path.parts]
    names.remove("codecshift.benchmark.measure.pools.warmed")
    loaded = json.loads(run("-c", ENTRY_POINTS_REFUSED, *names).stdout)
    assert HEAVY & set(loaded) == set()


HELP = "import sys; from codecshift.benchmark.cli import main; sys.argv[0] = 'codecshift'; main()"


def test_help_is_instant() -> None:
    done = run("-X", "importtime", "-c", HELP, "--help")
    assert "How image codecs behave" in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in loaded
    assert {"numpy", "pandas", "scipy", "cv2", "PIL", "pyarrow", *HEAVY} & loaded == set()


def test_the_command_is_the_command_line() -> None:
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="codecshift")
    assert command.value == PYPROJECT["project"]["scripts"]["codecshift"] == "codecshift.benchmark.cli:main"


# --- dependencies

IMPORTED_AS = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "pillow-jxl-plugin": "pillow_jxl",
    "pytorch-msssim": "pytorch_msssim",
    "scikit-image": "skimage",
}
# What is needed without an import of ours, and the words in the source that show it.
USED_AS = {
    "scikit-image": 'find_spec("skimage")',
    "pyarrow": "to_parquet",
}


def distribution(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


DEPENDENCIES = [distribution(requirement) for requirement in PYPROJECT["project"]["dependencies"]]
EXTRAS = {
    extra: [distribution(requirement) for requirement in requirements]
    for extra, requirements in PYPROJECT["project"]["optional-dependencies"].items()
}


def documented(name: str) -> bool:
    """Say whether the requirement has a comment beside it."""
    return bool(
        re.search(
            rf'^\s*"{re.escape(name)}\b[^"]*",?\s+#', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M | re.I
        )
    )


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_every_dependency_is_used_or_says_why_it_is_there(name: str) -> None:
    files = [path for room in ROOMS for path in modules(room)]
    imported = {found.partition(".")[0] for path in files for found in imports(path)}
    used = IMPORTED_AS.get(name, name) in imported or (
        name in USED_AS and any(USED_AS[name] in path.read_text(encoding="utf-8") for path in files)
    )
    assert used or documented(name)


def test_every_import_is_declared() -> None:
    declared = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in (*DEPENDENCIES, *chain(*EXTRAS.values()))}
    imported = {found.partition(".")[0] for room in ROOMS for path in modules(room) for found in imports(path)}
    assert imported - declared - set(sys.stdlib_module_names) == {"codecshift"}


def test_every_requirement_has_a_tested_version() -> None:
    pinned = {
        distribution(line)
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    assert {*DEPENDENCIES, *chain(*EXTRAS.values())} - pinned == set()


# --- versions of Python


def oldest_python() -> tuple[int, int]:
    found = re.fullmatch(r">=(\d+)\.(\d+)", PYPROJECT["project"]["requires-python"])
    assert found
    return int(found[1]), int(found[2])


def test_the_oldest_python_is_the_same_everywhere() -> None:
    major, minor = oldest_python()
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{major}{minor}"
    makefile, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "README.md"))
    found = re.search(rf"\({major}, {minor}\) <= sys\.version_info < \({major}, (\d+)\)", makefile)
    assert found
    newest = f"Python {major}.{minor} to {major}.{int(found[1]) - 1}"
    assert newest in makefile
    assert newest in readme


def test_ci_tries_the_oldest_python() -> None:
    """CI that names no version takes the machine's, through the Makefile, which refuses one that is too old."""
    steps = [path for folder in (".ci", ".github") if (ROOT / folder).is_dir() for path in (ROOT / folder).rglob("*")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in steps if path.is_file())
    if not text:
        pytest.skip("there is no CI here")
    versions = {(int(major), int(minor)) for major, minor in re.findall(r"python\D{0,12}(\d)\.(\d+)", text, re.I)}
    assert min(versions, default=oldest_python()) == oldest_python()
    assert versions or "make test" in text


# --- the top level

ALLOWED = {
    "pyproject.toml",
    "README.md",
    "Makefile",
    "constraints.txt",
    "LICENSE",
    "CITATION.cff",
    "CHANGELOG.md",
    "tests",
    "results",
    *ROOMS,
}


def tracked() -> list[Path]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listing = subprocess.run(
        ("git", "ls-files", "-z"), cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=True
    )
    return [Path(name) for name in listing.stdout.split("\0") if name]


@pytest.mark.needs("git", "checkout")
def test_the_top_level_holds_what_the_house_allows() -> None:
    top = {path.parts[0] for path in tracked()}
    assert {name for name in top if not name.startswith(".")} - ALLOWED == set()


@pytest.mark.needs("git", "checkout")
def test_tests_lie_in_folders_named_after_the_rooms() -> None:
    folders = {path.parts[1] for path in tracked() if path.parts[0] == "tests" and len(path.parts) > 2}
    assert folders - {*ROOMS, "perf"} == set()
