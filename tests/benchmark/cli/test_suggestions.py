"""A suggested command can be pasted, and measures what lacks on the images of the file."""

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from codecshift.benchmark import store

Here = Callable[..., "subprocess.CompletedProcess[str]"]
Save = Callable[[str, Sequence[str]], Path]


@pytest.fixture
def measured(here: Here, save_set: Save) -> Here:
    """A run file of the first two of three photographs, in a folder and a file with blanks in their names."""
    folder = save_set("my photos", ["hair", "hull", "suit"])
    options = ["--set", f"folder:{folder}", "--images", 2, "--jobs", 1, "--out", "my run.sqlite"]
    done = here("run", *options, "--codec", "jpeg:q50", "--corruption", "none")
    assert done.returncode == 0, done.stderr
    return here


def suggested(text: str, name: str) -> list[str]:
    """Return the command that ends a line which begins with a name, or stands below it, as a shell takes it apart."""
    lines = text.splitlines()
    (place,) = (at for at, line in enumerate(lines) if line.startswith((f"{name}:", f"{name} ")))
    commands = (re.search(r"(?:: |^    )codecshift (.*)", line) for line in lines[place:])
    return shlex.split(next(command[1] for command in commands if command))


def images() -> set[str]:
    return set(store.read("my run.sqlite")["image"])


def test_a_command_of_a_figure_makes_it_on_the_images_of_the_file(measured: Here) -> None:
    listing = measured("figures", "my run.sqlite", "--list")
    before = images()
    assert len(before) == 2
    assert re.search(r"psd-d +cannot be drawn", listing.stdout)
    notes = listing.stdout[listing.stdout.index("psd-d: ") :]
    done = measured(*suggested(notes, "psd-d"), "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert images() == before
    table = store.read("my run.sqlite")
    assert set(zip(table["codec"], table["point"], table["corruption"], strict=True)) == {("jpeg", "q50", "none")}
    assert re.search(r"psd-d +can be drawn", measured("figures", "my run.sqlite", "--list").stdout)


def test_a_command_of_a_claim_measures_what_it_lacks_on_the_images_of_the_file(measured: Here) -> None:
    before = images()
    text = measured("claims", "my run.sqlite", "--only", "H4").stdout
    done = measured(*suggested(text, "Measure what is missing"), "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert images() == before
    assert "shot_noise" in set(store.read("my run.sqlite")["corruption"])
    assert "rows under noise" not in measured("claims", "my run.sqlite", "--only", "H4").stdout


def test_what_was_asked_for_changes_no_run_id(here: Here, save_set: Save) -> None:
    """Folders and files differ from machine to machine, results do not."""
    for name in ("one", "other"):
        folder = save_set("photos", ["hair"])
        done = here(
            *("run", "--set", f"folder:{folder}", "--codec", "jpeg:q50", "--corruption", "none"),
            *("--jobs", 1, "--out", f"{name}.sqlite"),
        )
        assert done.returncode == 0, done.stderr
    assert store.runs("one.sqlite") == store.runs("other.sqlite")
    assert store.asked("one.sqlite") != store.asked("other.sqlite")


def test_what_was_asked_for_is_merged_and_not_published(measured: Here) -> None:
    for words in (("merge", "my run.sqlite", "--out", "merged.sqlite"), ("export", "merged.sqlite", "published")):
        done = measured(*words)
        assert done.returncode == 0, done.stderr
    assert store.asked("merged.sqlite") == store.asked("my run.sqlite") != {}
    (published,) = Path("published").glob("v1/runs/*.json")
    assert "asked" not in json.loads(published.read_text(encoding="utf-8"))
