"""What there is to choose from is listed, checked and found to work."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codecshift.benchmark.plan.plans import PLANS
from codecshift.benchmark.report import codecs as fairness
from codecshift.benchmark.report.formats import WIDTH
from codecshift.benchmark.store import Row
from codecshift.codecs import contract, registry
from codecshift.codecs.container import container_bytes
from codecshift.codecs.isolated import Isolated
from codecshift.codecs.neural import specs
from codecshift.codecs.protocol import Point, Spec
from codecshift.codecs.registry import BUILT_IN, catalogue
from codecshift.corruptions.sets import KNOWN

Rows = Callable[..., Row]
Write = Callable[..., Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Say = Callable[..., Any]


def test_codecs_are_listed(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if each had been opened and found to work: the tests of the table of codecs open them.
    found = {contract.probe: (200, ""), container_bytes: 300}
    monkeypatch.setattr(Isolated, "call", lambda _self, function, _spec: found[function])
    out = say("codecs").out
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert all(re.search(rf"^ {re.escape(spec.name)} ", out, re.MULTILINE) for spec in BUILT_IN)
    assert "q3..q99 (12)" in out


@pytest.mark.usefixtures("few_codecs")
def test_the_table_of_codecs_comes_as_text_and_as_data(
    say: Say, with_plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no codec is told beside data, so that the output is the table alone."""
    look = fairness.entries
    looked: list[fairness.Entry] = []

    def once(*arguments: Any, **options: Any) -> list[fairness.Entry]:
        looked.extend(() if looked else look(*arguments, **options))
        return looked

    monkeypatch.setattr(fairness, "entries", once)
    text = say("codecs").out
    assert re.search(r"^ hang +p ", text, re.MULTILINE)
    assert "fault: faulty (codecshift-bad-codecs): RuntimeError: this plugin is broken" in text
    data = json.loads(say("codecs", "--format", "json").out)
    assert data["faults"] == {"faulty (codecshift-bad-codecs)": "RuntimeError: this plugin is broken"}
    said = say("codecs", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(said.out)))
    assert [line["codec"] for line in lines] == [one["codec"] for one in data["codecs"]]
    assert {line["header_bytes"] for line in lines if line["codec"] == "identity"} == {"200"}
    assert "fault: faulty (codecshift-bad-codecs): RuntimeError: this plugin is broken" in said.err
    markdown = say("codecs", "--format", "markdown").out.splitlines()
    names = [line.split("|")[1].strip() for line in markdown if line.startswith("| ")]
    assert all(names.count(line["codec"]) == 2 for line in lines)


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch, few_codecs: None) -> str:
    """The name of a codec that comes with the package, and whose files are damaged."""
    monkeypatch.setattr(specs, "DAMAGED", {"ours-cs": "x.safetensors is damaged: install codecshift again"})
    catalogue.cache_clear()
    return "ours-cs"


def test_a_codec_whose_files_are_damaged_is_listed(damaged: str, say: Say, one_sentence: Callable[[Any], str]) -> None:
    fault = "x.safetensors is damaged: install codecshift again"
    assert f"fault: {damaged}: {fault}" in say("codecs").out
    assert json.loads(say("codecs", "--format", "json").out)["faults"] == {damaged: fault}
    assert re.search(rf"^ !! +codec {damaged} +{fault}$", say("doctor").out, re.MULTILINE)
    for label in (damaged, f"{damaged}:l0.01", f"{damaged}-est"):
        sentence = one_sentence(say("check", label))
        assert sentence == f"codecshift: {label.partition(':')[0]} is damaged: {fault}"


def test_sets_are_listed(say: Say) -> None:
    out = say("sets").out
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert all(name in out for name in KNOWN)


def test_plans_are_listed(say: Say) -> None:
    out = say("plans").out
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert all(re.search(rf"^ {name} ", out, re.MULTILINE) for name in PLANS)


def test_measures_are_listed_with_their_cost(say: Say) -> None:
    out = say("measures").out
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert re.search(r"^ psnr +1 +dB +higher +1 +\d+\.\d ms/MP ", out, re.MULTILINE)
    assert re.search(r"^ ms_ssim +2 +higher +161 +\d+\.\d ms/MP +pytorch-msssim", out, re.MULTILINE)
    (psnr, ms_ssim, *_) = json.loads(say("measures", "--format", "json").out)
    assert psnr["cost_ms_per_megapixel"] < ms_ssim["cost_ms_per_megapixel"]
    assert (ms_ssim["fault"], ms_ssim["best"]) == ("", 1)


@pytest.mark.usefixtures("few_codecs")
def test_the_doctor_speaks(say: Say) -> None:
    said = say("doctor")
    assert said.code == 0
    assert re.search(r"^ ok +set sample +4 images$", said.out, re.MULTILINE)
    assert said.out.splitlines()[-1] == "all is well" or said.out.splitlines()[-1].endswith("attention")


@pytest.mark.usefixtures("few_codecs")
def test_the_doctor_names_what_is_broken(with_plugins: None, say: Say) -> None:
    said = say("doctor")
    assert re.search(r"^ !! +plugin faulty \(codecshift-bad-codecs\) *RuntimeError", said.out, re.MULTILINE)
    assert said.out.splitlines()[-1].endswith("attention")


def test_a_good_codec_passes_its_check(say: Say) -> None:
    said = say("check", "jpeg:q50")
    assert said.code == 0
    assert "BROKEN" not in said.out
    assert re.search(r"^jpeg: (\d+) of \1 checks passed$", said.out.splitlines()[-1])


def test_the_law_that_a_codec_breaks_is_named(with_plugins: None, say: Say) -> None:
    said = say("check", "brightens")
    assert said.code == 1
    broken = [line.split(":")[0] for line in said.out.splitlines() if line.startswith("BROKEN")]
    assert broken == ["BROKEN  lossless"]
    assert re.search(r"^brightens: \d+ of \d+ checks passed$", said.out.splitlines()[-1])


def test_a_codec_that_dies_and_hangs_is_checked_to_the_end(with_plugins: None, say: Say) -> None:
    said = say("check", "segfault", "--time-limit", 20)
    assert said.code == 1
    first, second = said.out.splitlines()[:2]
    assert first == f"BROKEN  shape: {contract.STATEMENTS['shape']}"
    assert second == "        at p: its process died of SIGSEGV"
    assert re.search(r"^segfault: \d+ of \d+ checks passed$", said.out.splitlines()[-1])
    hung = say("check", "deaf", "--time-limit", 0.5).out.splitlines()
    assert hung[1] == "        at p: no answer within 0.5 s"


def test_a_codec_that_cannot_be_opened_is_told_once(say: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lacking_weights.py").write_text(
        "from contextlib import contextmanager\n@contextmanager\ndef load(**_):\n    yield {}['a tensor']\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    lacking = Spec("lacking", "lacking_weights:load", (Point("a"), Point("b")))
    monkeypatch.setitem(registry._AT_HAND, "lacking", lacking)
    said = say("check", "lacking")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0] == "lacking cannot be opened at a, b: KeyError: 'a tensor'"
    assert lines[1].strip() == "Traceback (most recent call last):"
    assert said.out.count("KeyError: 'a tensor'") == 2  # in the sentence, and at the end of the traceback
    assert lines[-1] == "lacking: no law was tested"
    assert "BROKEN" not in said.out


def test_checking_what_is_not_there_is_refused(say: Say, one_sentence: Callable[[Any], str]) -> None:
    assert "did you mean 'jpeg'" in one_sentence(say("check", "jpgg"))


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "rows",
        "leaderboard",
        "export",
        "merge",
        "codecs",
        "measures",
        "sets",
        "plans",
        "check",
        "doctor",
        "figures",
        "spectra",
    ],
)
def test_each_command_has_help(name: str, say: Say) -> None:
    said = say(name, "--help")
    assert said.code == 0
    assert f"codecshift {name}" in said.out
    assert name in say("--help").out


def test_help_loads_nothing_heavy(environment: dict[str, str]) -> None:
    program = (
        "import sys\nfrom codecshift.benchmark.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'pandas', 'cv2', 'scipy', 'matplotlib', 'torch', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "--help"],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env=environment,
    )
    assert done.stdout.splitlines()[-1] == "[]"
