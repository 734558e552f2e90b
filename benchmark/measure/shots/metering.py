"""The measures of a run at work: an image is prepared once for each, and compared with both references."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ....analysis.measures.measure import Instrument, Joint, Measure
from ....analysis.measures.table import load
from ....corruptions.corruption import Image
from ...store.scores import Score
from .coding import Faulty, described


class Prepared:
    """An image, and what each measure has computed of it for comparisons."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.parts: dict[str, Any] = {}


class Meters:
    """The measures of a run, each loaded when it is first needed; the derived ones are left out."""

    def __init__(self, measures: Iterable[Measure]) -> None:
        self._measures = tuple(measure for measure in measures if not measure.is_derived)
        self._instruments: dict[str, Instrument] = {}

    def scores(self, clean: Prepared, shown: Prepared, seen: Prepared) -> dict[Score, float]:
        """Return the value of a decoded image by each measure against both references.

        `seen` is `shown` if nothing was lost, and `shown` is `clean` for a clean shot. A measure that the image is too
        small for is left out. Raises Faulty if a measure fails or gives no number.
        """
        scores: dict[Score, float] = {}
        references = [shown] if shown is clean else [shown, clean]
        for measure in self._of(seen):
            values = self._compare(measure, references, seen)
            scores[measure.name, "shown"], scores[measure.name, "clean"] = values[0], values[-1]
        return scores

    def shifts(self, clean: Prepared, shown: Prepared) -> Mapping[str, float]:
        """Return the value of a corrupted image by each measure against the clean one; raise as `scores` does."""
        return {measure.name: self._compare(measure, [clean], shown)[0] for measure in self._of(shown)}

    def _of(self, image: Prepared) -> Iterator[Measure]:
        side = min(image.image.shape[:2])
        return (measure for measure in self._measures if side >= measure.smallest)

    def _compare(self, measure: Measure, references: Sequence[Prepared], seen: Prepared) -> list[float]:
        """Return the value of an image against each reference; it is the best one where the reference is the image."""
        with _blamed(measure.name):
            others = [reference for reference in references if reference is not seen]
            values = iter(self._of_others(measure, others, seen) if others else ())
            return [measure.best if reference is seen else next(values) for reference in references]

    def _of_others(self, measure: Measure, references: Sequence[Prepared], seen: Prepared) -> list[float]:
        if measure.name not in self._instruments:
            self._instruments[measure.name] = load(measure)
        instrument = self._instruments[measure.name]
        for image in (*references, seen):
            if measure.name not in image.parts:
                image.parts[measure.name] = instrument.prepare(image.image)
        prepared, own = [reference.parts[measure.name] for reference in references], seen.parts[measure.name]
        if len(prepared) > 1 and isinstance(instrument, Joint):
            values = [float(value) for value in instrument.compare_with(prepared, own)]
        else:
            values = [float(instrument.compare(reference, own)) for reference in prepared]
        if any(math.isnan(value) for value in values):
            raise ValueError("it gave no number")
        return values


@contextmanager
def _blamed(measure: str) -> Iterator[None]:
    """Turn any exception of a measure into Faulty, which names the measure."""
    try:
        yield
    except Exception as error:
        raise Faulty(f"measure {measure}: {described(error)}") from error
