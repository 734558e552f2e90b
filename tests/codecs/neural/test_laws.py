"""Every architecture, small and with random weights, obeys the laws of all codecs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.codecs import contract
from codecshift.codecs.neural.architectures import ARCHITECTURES
from codecshift.codecs.registry import find


def present(architecture: str) -> str:
    if ARCHITECTURES[architecture].conditional:
        pytest.importorskip("codecshift.codecs.neural.conditional")
    return architecture


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_law_holds(checkpoints: Callable[[str], Path], architecture: str) -> None:
    spec, points = find(f"{present(architecture)}@{checkpoints(architecture)}")
    verdicts = list(contract.check(spec, points[len(points) // 2 :][:1]))
    assert [verdict.law for verdict in verdicts] == [law.name for law in contract.LAWS if law.name != "lossless"]
    assert [verdict for verdict in verdicts if verdict.fault] == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_estimate_obeys_its_own_law(checkpoints: Callable[[str], Path], architecture: str) -> None:
    spec, points = find(f"{present(architecture)}-est@{checkpoints(architecture)}")
    verdicts = list(contract.check(spec, points[:1]))
    assert [(verdict.law, verdict.fault) for verdict in verdicts] == [("estimate", "")]
    assert "estimated" in spec.settings


@pytest.mark.parametrize("architecture", [name for name, one in ARCHITECTURES.items() if one.gain or one.conditional])
def test_the_rate_rises_with_the_dial(checkpoints: Callable[[str], Path], architecture: str) -> None:
    spec, points = find(f"{present(architecture)}@{checkpoints(architecture)}")
    assert spec.scale is not None
    contract.rising_rate(spec, points[::3], [contract.example(64, 64)])
