"""A packaged checkpoint that is damaged costs its own codec, and nothing else."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.codecs.neural import families, specs
from codecshift.codecs.neural.metadata import BadCheckpoint, read_facts
from codecshift.codecs.registry import catalogue

FAMILY = "hyperprior-pruned95-cs"


def _rewrite(deed: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(deed(path.read_bytes()))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut in its header": _rewrite(lambda data: data[:100]),
    "cut in its weights": _rewrite(lambda data: data[:-1]),
    "longer": _rewrite(lambda data: data + b"\0"),
    "garbage": _rewrite(lambda data: bytes(range(256)) * (len(data) // 256)),
    "zeros": _rewrite(lambda data: bytes(len(data))),
    "empty": _rewrite(lambda _: b""),
    "missing": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "all missing": lambda path: [other.unlink() for other in path.parent.glob("*.safetensors")],
    "a name of its own": lambda path: path.rename(path.with_name("l0.006.safetensors")),
    "a recipe of garbage": lambda path: path.with_name("recipe.toml").write_bytes(b"\xff\xfe = ="),
    "no recipe": lambda path: path.with_name("recipe.toml").unlink(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The packaged families as links, but for one that is a copy."""
    copies = tmp_path / "checkpoints"
    for family in families.FOLDER.iterdir():
        (copies / family.name).mkdir(parents=True)
        for file in family.iterdir():
            copy = copies / family.name / file.name
            copy.write_bytes(file.read_bytes()) if family.name == FAMILY else copy.symlink_to(file)
    return copies


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_family_is_a_fault_and_the_others_are_codecs(
    damage: Callable[[Path], object], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(folder / FAMILY / "l0.005.safetensors")
    monkeypatch.setattr(families, "FOLDER", folder)
    sound, damaged = specs.packaged()
    assert [spec.name for spec in sound] == [name for name in families.names() if name != FAMILY]
    assert list(damaged) == [FAMILY]
    assert damaged[FAMILY].endswith(": install codecshift again")
    assert str(folder / FAMILY) in damaged[FAMILY]


def test_what_is_whole_has_no_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "FOLDER", folder)
    sound, damaged = specs.packaged()
    assert ([spec.name for spec in sound], damaged) == ([*families.names()], {})
    assert dict(catalogue().damaged) == {}


@pytest.mark.parametrize("cut", [1, 1000])
def test_a_file_without_its_last_bytes_is_no_checkpoint(cut: int, folder: Path) -> None:
    path = folder / FAMILY / "l0.005.safetensors"
    assert read_facts(path).lam == 0.005
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(BadCheckpoint, match=f"is not a safetensors file, or is damaged: {cut} bytes are missing"):
        read_facts(path)


PROGRAM = """
import sys
from pathlib import Path
from codecshift.codecs.neural import families
families.FOLDER = Path(sys.argv.pop(1))
from codecshift.benchmark.cli import main
main()
"""
SHORT = ("--corruption", "none", "--jobs", "1", "--out", "r.sqlite")


def test_a_run_of_others_is_unharmed_and_one_of_it_gets_a_sentence(folder: Path, tmp_path: Path) -> None:
    """In a process that finds the damage when it starts."""
    (folder / FAMILY / "l0.005.safetensors").write_bytes(b"")

    def run(*codecs: str) -> "subprocess.CompletedProcess[str]":
        options = [word for codec in codecs for word in ("--codec", codec)]
        command = [sys.executable, "-c", PROGRAM, folder, "run", *SHORT, *options]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=tmp_path)

    alone = run(FAMILY)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert re.fullmatch(
        rf"codecshift: {FAMILY} is damaged: .*l0.005.safetensors .*: install codecshift again\n", alone.stderr
    )
    beside = run("jpeg:q50", f"{FAMILY}:l0.0018", f"{FAMILY}-est")
    assert beside.returncode == 0, beside.stderr
    assert re.findall(
        r"^left out: (\S+): .* is damaged: .*: install codecshift again$", beside.stderr, re.MULTILINE
    ) == [
        FAMILY,
        f"{FAMILY}-est",
    ]
    assert "4 rows" in beside.stderr
