"""Targets are named, and a wrong one is refused in one sentence."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.plan.targets import Target, WrongTarget

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("bpp=0.5", Target("bpp", 0.5)),
        ("bpp=.5", Target("bpp", 0.5)),
        ("psnr=32", Target("psnr", 32)),
        ("ms_ssim=0.97", Target("ms_ssim", 0.97)),
    ],
)
def test_a_target_is_named(text: str, target: Target) -> None:
    assert Target.parse(text) == target
    assert Target.parse(str(target)) == target


WRONG_TARGETS = {
    "bpp": "expected a quantity and its value, such as bpp=0.5 or psnr=32, got 'bpp'",
    "": "expected a quantity and its value, .* got ''",
    "foo=3": "unknown quantity to match 'foo': expected one of bpp, psnr, ms_ssim",
    "psn=3": r"unknown quantity to match 'psn': .*did you mean 'psnr'\?",
    "bpp=-1": "expected bpp between 0 and 24, got '-1'",
    "bpp=0": "expected bpp between 0 and 24, got '0'",
    "bpp=": "expected bpp between 0 and 24, got ''",
    "psnr=abc": "expected psnr between 0 and 100, got 'abc'",
    "psnr=nan": "expected psnr between 0 and 100, got 'nan'",
    "psnr=inf": "expected psnr between 0 and 100, got 'inf'",
    "ms_ssim=1": "expected ms_ssim between 0 and 1, got '1'",
}


@pytest.mark.parametrize(("text", "sentence"), WRONG_TARGETS.items(), ids=WRONG_TARGETS)
def test_a_wrong_target_is_refused_in_one_sentence(text: str, sentence: str, here: Command, tmp_path: Path) -> None:
    with pytest.raises((WrongTarget, UnknownName), match=sentence):
        Target.parse(text)
    said = here("run", "--match", text)
    assert (said.returncode, said.stdout) == (2, "")
    (line,) = said.stderr.splitlines()
    assert re.match(f"codecshift: {sentence}", line)
    assert list(tmp_path.iterdir()) == []
