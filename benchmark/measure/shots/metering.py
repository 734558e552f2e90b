"""The measures of a run at work: an image is prepared once for each, and compared with both references."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ....analysis.measures.measure import Instrument, Measure
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
        for measure in self._of(seen):
            value = self._compare(measure, shown, seen)
            scores[measure.name, "shown"] = value
            scores[measure.name, "clean"] = value if shown is clean else self._compare(measure, clean, seen)
        return scores

    def shifts(self, clean: Prepared, shown: Prepared) -> Mapping[str, float]:
        """Return the value of a corrupted image by each measure against the clean one; raise as `scores` does."""
        return {measure.name: self._compare(measure, clean, shown) for measure in self._of(shown)}

    def _of(self, image: Prepared) -> Iterator[Measure]:
        side = min(image.image.shape[:2])
        return (measure for measure in self._measures if side >= measure.smallest)

    def _compare(self, measure: Measure, reference: Prepared, seen: Prepared) -> float:
        if seen is reference:
            return float(measure.best)
        with _blamed(measure.name):
            if measure.name not in self._instruments:
                self._instruments[measure.name] = load(measure)
            instrument = self._instruments[measure.name]
            for image in (reference, seen):
                if measure.name not in image.parts:
                    image.parts[measure.name] = instrument.prepare(image.image)
            value = float(instrument.compare(reference.parts[measure.name], seen.parts[measure.name]))
            if math.isnan(value):
                raise ValueError("it gave no number")
        return value


@contextmanager
def _blamed(measure: str) -> Iterator[None]:
    """Turn any exception of a measure into Faulty, which names the measure."""
    try:
        yield
    except Exception as error:
        raise Faulty(f"measure {measure}: {described(error)}") from error
