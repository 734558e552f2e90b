"""Effort curves: each value of a codec's effort setting, its rate at equal quality and its time on clean images."""

from __future__ import annotations

import math
import resource
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from ...analysis.distortion import psnr, squared_error
from ...analysis.effort import knee
from ...analysis.rate import Curve, bd_rate
from ...codecs.protocol import Image, Point, Spec, at_effort
from ...codecs.registry import open_codec
from ...corruptions.sets import ImageSet

POINTS = 4
"""Points of the ladder that make a rate curve, the fewest of a BD-rate."""


@dataclass(frozen=True, slots=True)
class Effort:
    """One effort of a codec: BD-rate (PSNR) in percent against the effort that the codec is set to, and its times.

    The times are medians over images and points, in seconds of the processor per megapixel, the start of programs
    included. `knee` is whether the rule of `analysis.effort` chooses this effort, `chosen` whether the codec does.
    """

    codec: str
    effort: str
    bits_percent: float
    encode_s_per_mp: float
    decode_s_per_mp: float
    images: int
    knee: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class _Trial:
    bpp: float
    psnr: float
    encode_s_per_mp: float
    decode_s_per_mp: float


def with_curves(specs: Iterable[Spec]) -> list[Spec]:
    """Return the codecs with an effort setting, one for each encoder: the first of those that differ in effort only."""
    first: dict[str, Spec] = {}
    for spec in specs:
        if spec.efforts:
            first.setdefault(spec.load.rpartition(":")[0], spec)
    return list(first.values())


def curve(
    spec: Spec, images: ImageSet, report: Callable[[int, int], None] = lambda _done, _total: None
) -> list[Effort]:
    """Measure each effort of a codec on the images of a set, from the fastest; `report` gets (done, total) trials.

    Efforts alternate on each image and point, so that a change of the machine's load affects all of them alike.
    Raises CodecUnavailable and CodecError.
    """
    points = _spread(spec.points)
    trials: dict[str, list[list[_Trial]]] = {effort: [] for effort in spec.efforts}
    total, done = len(images.sources) * len(points) * len(trials), 0
    for source in images.sources:
        image = images.load(source.id)
        for of_images in trials.values():
            of_images.append([])
        for point in points:
            for effort, of_images in trials.items():
                of_images[-1].append(_tried(at_effort(spec, effort), point, image))
                done += 1
                report(done, total)
    return _compared(spec, trials)


def _spread(ladder: Sequence[Point]) -> list[Point]:
    """Return points spread evenly over a ladder, without its ends, which differ most between codecs."""
    return [ladder[round(1 + place * (len(ladder) - 3) / (POINTS - 1))] for place in range(POINTS)]


def _tried(spec: Spec, point: Point, image: Image) -> _Trial:
    height, width = image.shape[:2]
    megapixels = height * width / 1e6
    with open_codec(spec, point) as codec:
        began = _processor_seconds()
        data = codec.encode(image)
        encoded = _processor_seconds()
        seen = codec.decode(data)
        decoded = _processor_seconds()
    quality = float(psnr(squared_error(image, seen), height * width))
    return _Trial(
        8e-6 * len(data) / megapixels, quality, (encoded - began) / megapixels, (decoded - encoded) / megapixels
    )


def _processor_seconds() -> float:
    """Return the time that this process and the programs it has waited for spent on a processor."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _compared(spec: Spec, trials: dict[str, list[list[_Trial]]]) -> list[Effort]:
    curves = {effort: [_curve(of_image) for of_image in of_images] for effort, of_images in trials.items()}
    anchor = curves[spec.effort.rpartition(" ")[2]]
    ratios = {
        effort: math.exp(
            fmean(
                math.log1p(bd_rate(first, second, minimum_overlap=0).percent / 100)
                for first, second in zip(anchor, own, strict=True)
            )
        )
        for effort, own in curves.items()
    }
    flat = {effort: [trial for of_image in of_images for trial in of_image] for effort, of_images in trials.items()}
    encode = {effort: median(trial.encode_s_per_mp for trial in own) for effort, own in flat.items()}
    decode = {effort: median(trial.decode_s_per_mp for trial in own) for effort, own in flat.items()}
    best = spec.efforts[knee([*encode.values()], [*ratios.values()])]
    return [
        Effort(
            codec=spec.name,
            effort=at_effort(spec, effort).effort,
            bits_percent=100 * (ratios[effort] - 1),
            encode_s_per_mp=encode[effort],
            decode_s_per_mp=decode[effort],
            images=len(trials[effort]),
            knee=effort == best,
            chosen=at_effort(spec, effort) == spec,
        )
        for effort in spec.efforts
    ]


def _curve(trials: Sequence[_Trial]) -> Curve:
    return Curve.through([trial.bpp for trial in trials], [trial.psnr for trial in trials])
