"""Which neural codecs differ in one respect only: pruned or not, of variable or of fixed rate."""

from __future__ import annotations

import re
from collections.abc import Callable

from .records import Records

_PRUNED = re.compile(r"-?prun[a-z]*\d*", re.IGNORECASE)
_VARIABLE = re.compile(r"-(lct|vbr)(?=-|$)")
_TRAINED = re.compile(r"^bmshj2018-(?=hyperprior)|-(cs|mse)(?=-|$)")


def is_pruned(codec: str) -> bool:
    """Return whether a codec is pruned; such a codec has "prun" in its name."""
    return bool(_PRUNED.search(codec))


def has_variable_rate(codec: str) -> bool:
    """Return whether one set of weights serves all rates; such a codec has -lct or -vbr in its architecture's name."""
    return bool(_VARIABLE.search(codec.partition("@")[0]))


def architecture(codec: str) -> str:
    """Return the architecture of a neural codec, without marks of training, pruning and variable rate.

    >>> architecture("bmshj2018-hyperprior@pruned95"), architecture("hyperprior-lct-cs")
    ('hyperprior', 'hyperprior')
    """
    name = codec.partition("@")[0]
    for mark in (_PRUNED, _VARIABLE, _TRAINED):
        name = mark.sub("", name)
    return name


def are_twins(records: Records, first: str, second: str, but_for: Callable[[str], bool]) -> bool:
    """Return whether `but_for` is all that tells two neural codecs apart, e.g. `is_pruned`.

    They have the same architecture and the same settings (width, loss of training), and are alike in pruning and in
    variable rate, except that `but_for` is true of one of them. Codecs whose settings are not stated are no twins.
    """
    settings = [records.settings.get(codec, "").removeprefix("ours, ") for codec in (first, second)]
    alike = all((mark(first) == mark(second)) == (mark is not but_for) for mark in (is_pruned, has_variable_rate))
    return alike and architecture(first) == architecture(second) and settings[0] == settings[1] != ""
