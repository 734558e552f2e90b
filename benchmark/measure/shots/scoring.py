"""Scoring a shot: its shift, and the rows of its coded images, with errors, scores and spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....analysis.distortion import squared_error
from ....analysis.spectrum import Power, Settings, Transform, added, difference, gridded, transform
from ....corruptions.corruption import CLEAN, Image
from ...plan.plans import Shot
from ...store import Row, Shift, Spectra
from .coding import Coded, Faulty
from .metering import Meters, Prepared


@dataclass(frozen=True, slots=True, eq=False)
class ShotSpectra:
    """What the spectra of all rows of a shot share: the spectra of the shot, and the transform of shown - clean.

    `shift` is None if the shot is clean.
    """

    settings: Settings
    shift: Transform | None
    own: Mapping[tuple[str, str], Power]


def shot_spectra(shot: Shot, clean: Image, shown: Image, settings: Settings | None) -> ShotSpectra | None:
    """Return what the spectra of a shot's rows share; None without `settings`, which means no spectra."""
    if settings is None:
        return None
    if shot.corruption == CLEAN:
        return ShotSpectra(settings, None, _labelled("image", transform(clean, settings), clean))
    shift = transform(difference(shown, clean), settings)
    own = _labelled("shift", shift, clean) | _labelled("image", transform(shown, settings), shown)
    return ShotSpectra(settings, shift, own)


def _spectra(seen: Image, shown: Image, shared: ShotSpectra) -> Spectra:
    """Return the spectra of a row; the transform of seen - clean is a sum of two known ones, as it is linear."""
    lost = transform(difference(seen, shown), shared.settings)
    if shared.shift is None:
        return Spectra(_labelled("D", lost, shown), shared.own)
    restored = added(lost, shared.shift)
    return Spectra(_labelled("G", lost, shown) | _labelled("R", restored, shown), shared.own)


def _labelled(quantity: str, transformed: Transform, image: Image) -> dict[tuple[str, str], Power]:
    return {(quantity, channel): power for channel, power in gridded(transformed, image.shape[1]).items()}


def shift_of(shot: Shot, clean: Prepared, shown: Prepared, run: str, meters: Meters) -> tuple[Shift, ...]:
    """Return the shift of a corrupted shot, nothing for a clean one.

    A measure that fails leaves a shift without scores: the rows of the shot say why.
    """
    if shot.corruption == CLEAN:
        return ()
    height, width = shown.image.shape[:2]
    error = squared_error(shown.image, clean.image)
    try:
        scores = meters.shifts(clean, shown)
    except Faulty:
        scores = {}
    return (Shift(shot.set, shot.corruption, shot.severity, shot.image, height, width, error, run, scores),)


def measured(
    shot: Shot,
    codec: str,
    point: str,
    coded: Coded,
    clean: Prepared,
    shown: Prepared,
    run: str,
    meters: Meters,
    shared: ShotSpectra | None = None,
) -> Row:
    """Return the row of a coded shot, with spectra if `shared` is given; raise Faulty if a measure fails."""
    height, width = shown.image.shape[:2]
    error = squared_error(coded.seen, shown.image)
    # Where nothing was lost, the decoded image is the shown one, which is prepared already.
    seen = Prepared(coded.seen) if error else shown
    return Row(
        set=shot.set,
        corruption=shot.corruption,
        severity=shot.severity,
        codec=codec,
        point=point,
        image=shot.image,
        height=height,
        width=width,
        nbytes=coded.nbytes,
        error=error,
        error_clean=error if shown is clean else squared_error(coded.seen, clean.image),
        encode_s=coded.encode_s,
        decode_s=coded.decode_s,
        status="ok",
        message="",
        run=run,
        scores=meters.scores(clean, shown, seen),
        spectra=_spectra(coded.seen, shown.image, shared) if shared else None,
    )
