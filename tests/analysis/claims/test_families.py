"""Which neural codecs are twins: alike but for pruning, or but for variable rate."""

import pandas as pd
import pytest
from codecshift.analysis.claims.families import architecture, are_twins, has_variable_rate, is_pruned
from codecshift.analysis.claims.records import Records
from codecshift.codecs.neural.architectures import ARCHITECTURES

NARROW, WIDE = "checkpoint, N=48, M=192, trained for MSE", "checkpoint, N=96, M=192, trained for MSE"


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("hyperprior-cs", "hyperprior"),
        ("hyperprior-lct-cs", "hyperprior"),
        ("hyperprior-pruned95-cs", "hyperprior"),
        ("bmshj2018-hyperprior@pruned95", "hyperprior"),
        ("bmshj2018-hyperprior-vbr-mse", "hyperprior"),
        ("factorized-cs", "factorized"),
        ("mbt2018-mean-vbr-mse", "mbt2018-mean"),
    ],
)
def test_an_architecture_is_a_name_without_its_marks(codec: str, expected: str) -> None:
    assert architecture(codec) == expected


@pytest.mark.parametrize("name", [name for name, known in ARCHITECTURES.items() if known.gain or known.conditional])
def test_variable_rate_is_known_by_the_name_of_the_architecture(name: str) -> None:
    assert has_variable_rate(f"{name}@all")
    assert has_variable_rate(f"{name}-mse")
    assert not has_variable_rate("hyperprior-cs@lct")


@pytest.mark.parametrize(
    ("first", "second", "but_for", "expected"),
    [
        ("hyperprior-cs", "hyperprior-lct-cs", has_variable_rate, True),
        ("hyperprior-cs", "hyperprior-lct-wide", has_variable_rate, False),
        ("hyperprior-cs", "hyperprior-pruned95-cs", has_variable_rate, False),
        ("hyperprior-cs", "hyperprior-pruned95-cs", is_pruned, True),
        ("hyperprior-lct-cs", "hyperprior-pruned95-cs", is_pruned, False),
        ("factorized-cs", "hyperprior-pruned95-cs", is_pruned, False),
        ("plugin", "plugin-pruned", is_pruned, False),
    ],
)
def test_twins_are_alike_but_for_one_respect(first: str, second: str, but_for: object, expected: bool) -> None:
    names = ("hyperprior-cs", "hyperprior-lct-cs", "hyperprior-pruned95-cs", "factorized-cs")
    settings = dict.fromkeys(names, NARROW) | {"hyperprior-lct-wide": WIDE, "hyperprior-pruned95-cs": f"ours, {NARROW}"}
    records = Records(pd.DataFrame(), {}, pd.DataFrame(), pd.DataFrame(), settings=settings)
    assert are_twins(records, first, second, but_for) == are_twins(records, second, first, but_for) == expected  # type: ignore[arg-type]
