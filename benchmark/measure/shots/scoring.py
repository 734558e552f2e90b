"""Scoring a shot: its shift, and the rows of its coded images, with errors, MS-SSIM and spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....analysis.distortion import squared_error
from ....analysis.measures.ms_ssim import Prepared, ms_ssim, ms_ssims
from ....analysis.spectrum import Power, Settings, Transform, added, difference, gridded, transform
from ....corruptions.corruption import CLEAN, Image
from ...plan.plans import Shot
from ...store import Row, Shift, Spectra
from ...store.scores import REFERENCES
from .coding import Coded


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


def shift_of(shot: Shot, clean: Prepared, shown: Prepared, run: str) -> tuple[Shift, ...]:
    """Return the shift of a corrupted shot, nothing for a clean one."""
    if shot.corruption == CLEAN:
        return ()
    height, width = shown.image.shape[:2]
    error, similarity = squared_error(shown.image, clean.image), ms_ssim(shown, clean)
    scores = {} if similarity is None else {"ms_ssim": similarity}
    return (Shift(shot.set, shot.corruption, shot.severity, shot.image, height, width, error, run, scores),)


def measured(
    shot: Shot,
    codec: str,
    point: str,
    coded: Coded,
    clean: Prepared,
    shown: Prepared,
    run: str,
    shared: ShotSpectra | None = None,
) -> Row:
    """Return the row of a coded shot, with spectra if `shared` is given."""
    height, width = shown.image.shape[:2]
    error, error_clean, *similarities = _measure(coded.seen, clean, shown)
    values = {("ms_ssim", reference): value for reference, value in zip(REFERENCES, similarities, strict=True)}
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
        error_clean=error_clean,
        encode_s=coded.encode_s,
        decode_s=coded.decode_s,
        status="ok",
        message="",
        run=run,
        scores={score: value for score, value in values.items() if value is not None},
        spectra=_spectra(coded.seen, shown.image, shared) if shared else None,
    )


def _measure(seen: Image, clean: Prepared, shown: Prepared) -> tuple[int, int, float | None, float | None]:
    """Return squared error and MS-SSIM, each against the shown and the clean image."""
    error = squared_error(seen, shown.image)
    if error == 0:
        # Nothing was lost: the decoded image is the shown image, which is already prepared.
        similarity = 1.0 if shown.fields else None
        if shown is clean:
            return 0, 0, similarity, similarity
        return 0, squared_error(shown.image, clean.image), similarity, ms_ssim(shown, clean)
    prepared = type(shown)(seen)
    if shown is clean:
        similarity = ms_ssim(prepared, shown)
        return error, error, similarity, similarity
    similarity, similarity_clean = ms_ssims(prepared, (shown, clean))
    return error, squared_error(seen, clean.image), similarity, similarity_clean
