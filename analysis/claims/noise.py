"""The claim that codecs remove noise: H4."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pandas as pd

from ..matched import MATCHED_BPP, at_points
from .claim import Claim, Finding, Part, because, in_words, judged_together, together
from .records import Lacking, Records, Rows, mean, per_image, rows_of_distinct


def noise_is_removed(records: Records) -> Finding:
    """Compare PSNR under noise, at each codec's point nearest 0.5 bpp on clean images, with three references.

    The differences are means over codecs, noises and severities: (1) the effect, PSNR against the clean image minus the
    PSNR of the noisy image itself; (2) PSNR against the clean image minus the same at the codec's highest rate, which
    must be at least twice as high; (3) PSNR against the image given minus PSNR on clean images. Supported if the
    intervals of (1) and (2) lie above 0 and that of (3) below 0; refuted if one of them lies on the other side. The
    intervals hold together (Holm). Codecs with equal errors at the same points on every image decode the same pixels
    and count as one, that with the fewest bits.
    """
    rows = rows_of_distinct(records)
    noisy = rows.under(records.noises())
    if noisy.empty:
        raise Lacking("rows under noise", records.command("--corruption none --corruption high"))
    if noisy["uncompressed"].isna().all():
        ask = records.command("--corruption none --corruption high --codec identity")
        raise Lacking("PSNR of the noisy images, which measuring another codec adds", ask)
    highest = _highest(rows, noisy)
    if not highest:
        ask = records.command("--corruption none --corruption high --codec jpeg --codec jpeg2000")
        raise Lacking(f"codec with points near {MATCHED_BPP} bpp and at twice that rate", ask)
    noisy = noisy.assign(gain=noisy["psnr_clean"] - noisy["uncompressed"])
    matched = [(codec, rows.near[codec].point) for codec in highest]
    at_low, at_high = at_points(noisy, matched), at_points(noisy, highest.items())
    at_clean = at_points(rows.clean, matched)
    gain = per_image(at_low, "gain")
    more = gain - per_image(at_high, "gain")
    fall = per_image(at_low, "psnr") - per_image(at_clean, "psnr")
    parts = judged_together([Part(mean(gain), "above", 0), Part(mean(more), "above", 0), Part(mean(fall), "below", 0)])
    over_noisy, over_high, over_clean = (in_words(part.effect) for part in parts)
    decision = together(part.decision for part in parts)
    table = pd.concat([at_low, at_high, at_clean])
    result = (
        f"PSNR against the clean image, minus that of the noisy image: {over_noisy} dB, minus that at the highest "
        f"rates: {over_high} dB; PSNR against the image given, minus PSNR on clean images: {over_clean} dB"
    )
    reason = because(len(gain), decision, result)
    return Finding(decision, parts[0].effect, "dB", len(table), rows.used(table), reason, codecs=tuple(highest))


def _highest(rows: Rows, noisy: pd.DataFrame) -> dict[str, str]:
    """Return each codec's point of highest rate, if it has a point near the matched rate and one at twice that rate."""
    rates = rows.clean.groupby(["codec", "point"])["bpp"].mean()
    highest = {}
    for codec, near in rows.near.items():
        by_point = rates[codec]
        if by_point.max() >= 2 * near.bpp and (noisy["codec"] == codec).any():
            highest[codec] = str(by_point.idxmax())
    return highest


CLAIMS: Iterable[Claim] = (
    Claim(
        "H4",
        "Under noise PSNR falls, but PSNR against the clean image exceeds that of the noisy image itself, more so at "
        "low rate.",
        noise_is_removed,
        version=3,
        since=date(2026, 11, 27),
    ),
)
