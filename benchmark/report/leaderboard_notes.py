"""The notes below a leaderboard: what its columns mean, and what is left out of it and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ...analysis.ranking import LOSSLESS, Leaderboard, gaps_of
from ...analysis.rate import MINIMUM_POINTS
from ...analysis.statistics import MINIMUM_IMAGES, MOST_LOST

FRONT = "*"
"""Follows the name of a codec that no other beats in both bits and restoration."""
INCONSISTENT = 0.3
"""Conditions with a larger inconsistency are named."""
MOST_NAMES = 8
"""The most points or conditions that a note names."""


def notes(board: Leaderboard, columns: Sequence[str]) -> list[str]:
    """Return the notes that a reader needs to understand the ranking."""
    estimated = [
        f"{entry.codec}: the rate estimated from likelihoods differs from the real rate by {entry.gap_clean:+.1f}% "
        f"on clean images and by {entry.gap:+.1f}% on corrupted images."
        for entry in board.entries
        if not math.isnan(entry.gap_clean) or not math.isnan(entry.gap)
    ]
    return [
        _legend(board, columns),
        *_interval_notes(board, columns),
        *_unranked_notes(board),
        *_image_notes(board),
        *_inconsistency_notes(board),
        *estimated,
        *_aside_notes(board),
    ]


def _legend(board: Leaderboard, columns: Sequence[str]) -> str:
    """Return what the columns mean, as far as they are shown and have a value."""

    def has(prefix: str) -> bool:
        names = [name for name in columns if name.startswith(prefix)]
        return any(math.isfinite(getattr(entry, name)) for name in names for entry in board.entries)

    sentences = [
        f"bits: difference in bits from {board.anchor} at the same quality, negative is better: the geometric mean "
        "over all corruptions, then on clean images and over each band of corruptions."
    ]
    if has("penalty"):
        sentences.append(
            f"penalty: bits from {board.anchor} under corruption, compared with those on clean images; 0 means that "
            "corruption changes both codecs alike."
        )
    if has("restoration"):
        sentences.append(
            f"restoration: the PSNR against the clean image that coding at {board.matched_bpp:g} bpp adds to the "
            "corrupted image; empty where a ladder does not reach that rate."
        )
        if any(entry.on_front for entry in board.entries):
            point_values = ", whatever the intervals" if board.intervals is not None and board.intervals.known else ""
            sentences.append(
                f"{FRONT}: of the codecs with both, none is better in both bits and restoration high{point_values}."
            )
    elif any(name.startswith("restoration") for name in columns) and not board.shown_psnr and board.conditions[1:]:
        sentences.append(
            "restoration is unknown: the rows were measured by a version that did not store the PSNR of the corrupted "
            "images; a new run does."
        )
    if has("inflation"):
        sentences.append("inflation: bits on corrupted images divided by bits on clean images, at the same setting.")
    if has("coverage"):
        sentences.append("coverage: the smallest share of a condition's quality range that the settings cover.")
    return " ".join(sentences)


def _unranked_notes(board: Leaderboard) -> Iterator[str]:
    """Yield why codecs have no rank, or no number in some column: one note for all codecs of which it says the same."""
    without: dict[tuple[str, str], list[str]] = {}
    lacking: dict[str, list[str]] = {}
    others = [key for key in board.conditions if key not in board.scored]
    for entry in board.entries:
        if entry.rank is None and entry.reason != LOSSLESS:
            between = f"between {entry.rank_low} and {entry.rank_high}" if entry.rank_low else ""
            without.setdefault((entry.reason, between), []).append(entry.codec)
        if entry.codec in {codec for codec, _ in board.ratings} and (gaps := gaps_of(entry.codec, board, others)):
            lacking.setdefault(gaps, []).append(entry.codec)
    for (reason, between), codecs in without.items():
        whose = "Its rank" if len(codecs) == 1 else "The rank of each"
        ranks = f" {whose} would lie {between}." if between else ""
        yield f"{', '.join(codecs)} {'is' if len(codecs) == 1 else 'are'} not ranked: {reason}.{ranks}"
    for gaps, codecs in lacking.items():
        yield f"{', '.join(codecs)} {'lacks' if len(codecs) == 1 else 'lack'} numbers outside the score: {gaps}."
    lossless = [entry.codec for entry in board.entries if entry.reason == LOSSLESS]
    if lossless:
        yield f"Not ranked, because lossless: {', '.join(lossless)}."


def _image_notes(board: Leaderboard) -> Iterator[str]:
    """Yield under which conditions failures reduce the images that are compared."""
    fewer = [
        f"{corruption}@{severity} ({board.compared[corruption, severity]} of {board.measured[corruption, severity]})"
        for corruption, severity in board.conditions
        if board.compared[corruption, severity] < board.measured[corruption, severity]
    ]
    if fewer:
        yield f"Compared on fewer images than were measured, because some failed: {_first(fewer)}."


def _inconsistency_notes(board: Leaderboard) -> Iterator[str]:
    """Yield where the order of codecs depends on the quality."""
    names = [
        f"{corruption}@{severity} ({fitted.inconsistency:.2f})"
        for (corruption, severity), fitted in board.fits.items()
        if fitted.inconsistency > INCONSISTENT
    ]
    if names:
        yield (
            "Rate curves cross, so that the differences of pairs of codecs do not add up, where the inconsistency "
            f"exceeds {INCONSISTENT:g}: {_first(names)}."
        )


def _aside_notes(board: Leaderboard) -> Iterator[str]:
    """Yield which points and conditions of the rows the leaderboard leaves out, and why."""
    if board.aside.points:
        labels = list(dict.fromkeys(f"{codec}:{point}" for codec, _, point in board.aside.points))
        yield (
            f"Not on a curve: {_first(labels)}. A curve uses the largest set of images that {MINIMUM_POINTS} points "
            "of its codec share; points that lack one of these images are left out."
        )
    if board.aside.conditions:
        names = [f"{corruption}@{severity}" for corruption, severity in board.aside.conditions]
        yield f"Not on this board, because no codec has {MINIMUM_POINTS} points there: {_first(names)}."


def _first(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _interval_notes(board: Leaderboard, columns: Sequence[str]) -> Iterator[str]:
    drawn = board.intervals
    if drawn is None:
        return
    if not drawn.known:
        fewest = min(board.compared[key] for key in board.scored)
        yield f"Confidence intervals need at least {MINIMUM_IMAGES} images; this run has {fewest}."
        return
    yield (
        f"±: half the width of the {drawn.confidence:.0%} confidence interval, from {drawn.resamples} paired resamples "
        f"of the {drawn.images} images. Ranks in brackets: the {drawn.confidence:.0%} intervals of all ranks together."
    )
    for codec in (entry.codec for entry in board.entries):
        shares = {name: drawn.lost[codec, name] for name in columns if (codec, name) in drawn.lost}
        for too_many, outcome in ((True, "too many for an interval"), (False, "which the interval leaves out")):
            names = [name for name, share in shares.items() if (share > MOST_LOST) == too_many]
            if names:
                most = _share(max(shares[name] for name in names))
                yield f"{codec}: up to {most} of the resamples give no value of {', '.join(names)}, {outcome}."


def _share(share: float) -> str:
    """Return a share above 0 in percent, at least "0.1%"."""
    return f"{max(share, 0.001):.1%}"
