"""A kind of figure, what it needs from the material, and a drawing with the facts for its caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .material import Material, NothingToDraw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure with the facts for its caption.

    `used` says how many of the rows or spectra were used, and how they were chosen. `note` is what a reader must know
    in addition to the kind's rule. `suffix` distinguishes several drawings of one kind; `about` then says what this one
    shows.
    """

    figure: Figure
    used: str
    note: str = ""
    suffix: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """One need of a kind of figure: its name, and a function that says what is missing, "" if nothing is."""

    about: str
    missing: Callable[[Material], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of figure: what it shows, the rule of aggregation, what it needs, and the function that plots it.

    `plot` is a pure function of material that meets the needs. It raises NothingToDraw if something else is missing.
    """

    name: str
    about: str
    rule: str
    needs: tuple[Need, ...]
    plot: Callable[[Material], tuple[Drawing, ...]]

    def missing(self, material: Material) -> str:
        """Return what the material lacks for this figure, with the command that measures it, "" if it lacks nothing."""
        return next((lacking for need in self.needs if (lacking := need.missing(material))), "")

    def draw(self, material: Material) -> tuple[Drawing, ...]:
        """Return the drawings of this kind; raise NothingToDraw if the material lacks what they need."""
        if lacking := self.missing(material):
            raise NothingToDraw(lacking)
        return self.plot(material)


def used(count: int, material: Material, choice: str) -> str:
    """Return how many rows of the run file's set went into a drawing, and how they were chosen, in words."""
    return f"{count} of {len(material.rows)} rows ({choice})"


def used_spectra(count: int, material: Material, choice: str) -> str:
    """Return how many spectra of the run file's set went into a drawing, and how they were chosen, in words."""
    return f"{count} of {len(material.spectra)} spectra ({choice})"
