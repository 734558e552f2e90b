"""Each claim on rows where it is true, where it is false, and where nothing can be said."""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.claims import CLAIMS, Finding, Records, judged
from codecshift.analysis.claims.claim import above, below, together
from codecshift.analysis.claims.records import rows_of
from codecshift.analysis.claims.shapes import moved
from codecshift.analysis.spectrum import radii, ring_areas
from codecshift.analysis.statistics import Interval, bootstrap, levels

BANDS = {
    "fog": "low",
    "contrast": "low",
    "defocus_blur": "medium",
    "gaussian_noise": "high",
    "shot_noise": "high",
    "speckle_noise": "extra",
}
NOISES = ("gaussian_noise", "shot_noise")
IMAGES = tuple(f"kodim{number:02}" for number in range(1, 9))
NOISY = 20.0  # dB, PSNR of a noisy image against the clean one
WIDTH = "checkpoint, N=48, M=192, trained for MSE"
NEURAL, PRUNED, VARIABLE = "hyperprior@base", "hyperprior@pruned95", "hyperprior-lct@all"


# --- rows made by hand


@dataclass(frozen=True)
class Shot:
    """What a codec is given, and what it makes of the clean image; `wobble` is each image's own number, about 0."""

    codec: str
    rung: int
    corruption: str
    wobble: float
    bpp: float
    psnr: float


Measured = tuple[float, float, float]
"""bpp, PSNR in dB against the image given, and against the clean one."""


def fallen(shot: Shot) -> Measured:
    return shot.bpp, shot.psnr - 5, shot.psnr - 6


def table(
    codecs: Iterable[str],
    measured: Callable[[Shot], Measured] = fallen,
    corruptions: Sequence[str] = NOISES,
    *,
    of: str = "kodak",
    images: Sequence[str] = IMAGES,
    offsets: Mapping[str, float] | None = None,
    rate_wobbles: bool = True,
) -> pd.DataFrame:
    """Return rows at points p0 to p4 on clean images and at severity 3; `offsets` are dB of codecs on clean images.

    Rates on clean images double from point to point, from 1/8 bpp, and vary with the image unless `rate_wobbles` not.
    """
    lines = []
    for codec, corruption, rung, place in itertools.product(
        codecs, ("none", *corruptions), range(5), range(len(images))
    ):
        wobble = 0.3 * math.sin(1 + 2.4 * place)
        rate = 0.125 * 2**rung * math.exp(wobble if rate_wobbles else 0)
        shot = Shot(codec, rung, corruption, wobble, rate, 24 + 4 * rung + wobble + (offsets or {}).get(codec, 0))
        bpp, psnr, psnr_clean = (shot.bpp, shot.psnr, shot.psnr) if corruption == "none" else measured(shot)
        psnr_clean += 1e-12 * (crc32(codec.encode()) % 997)  # no two codecs decode the same pixels
        cell = {"set": of, "corruption": corruption, "severity": 3 * (corruption != "none"), "codec": codec}
        scores = {"bpp": bpp, "psnr": psnr, "psnr_clean": psnr_clean, "ms_ssim": 0.9, "ms_ssim_clean": 0.9}
        more = {"height": 512, "width": 768, "nbytes": round(bpp * 49152), "encode_s": 1.0, "decode_s": 1.0}
        lines.append(
            {**cell, "point": f"p{rung}", "image": images[place], **scores, **more, "status": "ok", "run": "r"}
        )
    return pd.DataFrame(lines)


def identity(corruptions: Sequence[str] = NOISES) -> pd.DataFrame:
    """Return the rows of a codec that gives back what it was shown."""
    rows = table(("identity",), lambda shot: (24.0, math.inf, NOISY + shot.wobble), corruptions)
    return rows[rows["point"] == "p0"].assign(psnr=math.inf, point="raw")


RINGS = len(radii())


def spectrum(tilt: float) -> np.ndarray:
    """Return the power by ring of a spectrum of which `tilt` percent lie in the lower rings."""
    return np.repeat([tilt, 100.0 - tilt], RINGS // 2)


Tilt = float | Sequence[float]
"""The tilt of a spectrum, the same for all images or one for each."""


def profiles(*entries: tuple[str, str, int, str, str, Tilt], images: Sequence[str] = IMAGES) -> pd.DataFrame:
    """Return radial profiles of quantity, corruption, severity, codec, point and tilt.

    The second image has twice the power of the others.
    """
    names = ["set", "corruption", "severity", "codec", "point", "image", "quantity"]
    lines = {
        ("kodak", *place, image, quantity): spectrum(tilt) * (1 + (number == 1)) / ring_areas()
        for quantity, *place, tilts in entries
        for number, (image, tilt) in enumerate(zip(images, np.broadcast_to(tilts, len(images)), strict=True))
    }
    index = pd.MultiIndex.from_tuples(list(lines), names=names)
    return pd.DataFrame(np.array(list(lines.values())).reshape(-1, RINGS), index, radii(), np.float32)


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the shifts that lossless rows tell."""
    lossless = rows[np.isposinf(rows["psnr"].astype(float))]
    return lossless[["set", "corruption", "severity", "image"]].assign(psnr=lossless["psnr_clean"], ms_ssim=0.9)


def evidence(
    *rows: pd.DataFrame, of_profiles: pd.DataFrame | None = None, widths: Mapping[str, str] | None = None
) -> Records:
    """Return the records of some rows; neural codecs have the settings WIDTH unless `widths` says otherwise."""
    whole = pd.concat(rows, ignore_index=True)
    kinds = {name: "neural" if "hyperprior" in name else "classical" for name in whole["codec"].unique()}
    settings = {name: WIDTH for name, kind in kinds.items() if kind == "neural"} | dict(widths or {})
    of_profiles = profiles() if of_profiles is None else of_profiles
    return Records(whole, BANDS, shown(whole), of_profiles, kinds, settings, "k.sqlite")


def finding(name: str, records: Records) -> Finding:
    (verdict,) = judged(records, [name])
    assert verdict.claim is CLAIMS[name]
    outcome = verdict.finding
    if outcome.decision != "undecided":
        assert outcome.count
        assert outcome.used
        assert outcome.unit
        assert outcome.codecs
        assert set(outcome.codecs) <= set(records.rows["codec"])
        assert math.isfinite(outcome.effect.estimate)
    return outcome


# --- what decides


@pytest.mark.parametrize(
    ("low", "high", "over", "under"),
    [
        (1, 2, "supported", "refuted"),
        (-2, -1, "refuted", "supported"),
        (-1, 1, "undecided", "undecided"),
        (math.nan, math.nan, "undecided", "undecided"),
    ],
)
def test_an_interval_decides_where_it_lies_beyond_the_threshold(low: float, high: float, over: str, under: str) -> None:
    records = Interval((low + high) / 2, low, high)
    assert (above(records, 0), below(records, 0)) == (over, under)


def test_one_part_refutes_a_claim_and_all_must_support_it() -> None:
    assert together(["supported", "refuted", "undecided"]) == "refuted"
    assert together(["supported", "undecided"]) == "undecided"
    assert together(["supported", "supported"]) == "supported"


def test_every_claim_says_its_rule_and_what_it_counts() -> None:
    assert list(CLAIMS) == ["H1", "H3", "H4", "H5", "H6", "H7", "H9", "H10", "H12"]
    for claim in CLAIMS.values():
        assert claim.statement.endswith(".")
        assert "upported" in claim.rule
        assert "efuted" in claim.rule
        assert "\n" not in claim.rule
        assert claim.version >= 1


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("rows", [table(()), table(("jpeg",)).assign(status="failed")], ids=["no-rows", "failed"])
def test_without_rows_each_claim_is_undecided_and_says_what_would_decide_it(name: str, rows: pd.DataFrame) -> None:
    rows = rows.reindex(columns=table(("jpeg",)).columns)
    outcome = finding(name, Records(rows, BANDS, shown(rows), profiles(), file="k.sqlite"))
    assert outcome.decision == "undecided"
    assert outcome.reason == "rows" or "rows of a " in outcome.reason
    assert outcome.command.startswith("codecshift run ")
    assert outcome.command.endswith("--out k.sqlite")


def test_all_claims_are_judged_unless_some_are_asked_for() -> None:
    records = evidence(table(("jpeg",)))
    assert [verdict.claim.name for verdict in judged(records)] == list(CLAIMS)
    assert [verdict.claim.name for verdict in judged(records, ["H9", "H1"])] == ["H9", "H1"]
    with pytest.raises(KeyError):
        judged(records, ["H2"])


def test_the_set_with_the_most_images_decides_without_theory_and_estimates() -> None:
    codecs = ("jpeg", "linear", "hyperprior-est@base")
    rows = rows_of(evidence(table(codecs), identity(), table(("webp",), of="other", images=IMAGES[:3])))
    assert (rows.set, rows.codecs(), list(rows.near)) == ("kodak", ["jpeg"], ["jpeg"])
    assert rows.near["jpeg"].point == "p2"


def test_squared_errors_are_those_of_the_same_image() -> None:
    rows = rows_of(evidence(table(("jpeg",)), identity()))
    row = rows.table[(rows.table["corruption"] == "shot_noise") & (rows.table["point"] == "p1")].iloc[2]
    clean = rows.clean[(rows.clean["point"] == "p1") & (rows.clean["image"] == row["image"])].iloc[0]
    for name, psnr in (
        ("D", clean["psnr"]),
        ("G", row["psnr"]),
        ("R", row["psnr_clean"]),
        ("shift", row["uncompressed"]),
    ):
        assert row[name] == pytest.approx(255**2 * 10 ** (-psnr / 10))
    assert row["uncompressed"] == pytest.approx(NOISY + 0.3 * math.sin(1 + 2.4 * 2))
    assert row["bpp_clean"] == clean["bpp"]


# --- H4: noise is removed, more so at low rate


def gaining(at_low: float, at_high: float, spread: float = 0.0) -> Callable[[Shot], Measured]:
    """Return measurements that beat the noisy image by so many dB at 0.5 bpp, and at 2 bpp."""

    def measured(shot: Shot) -> Measured:
        gain = {2: at_low, 4: at_high}.get(shot.rung, 0) + spread * shot.wobble
        return shot.bpp, shot.psnr - 10, NOISY + shot.wobble + gain

    return measured


@pytest.mark.parametrize(
    ("at_low", "at_high", "spread", "decision"),
    [
        (3, 1, 1, "supported"),
        (-1, -2, 1, "refuted"),  # worse than the noisy image
        (1, 3, 0, "refuted"),  # more so at high rate
        (0.1, -1, 30, "undecided"),
    ],
)
def test_h4(at_low: float, at_high: float, spread: float, decision: str) -> None:
    outcome = finding("H4", evidence(table(("jpeg", "webp"), gaining(at_low, at_high, spread)), identity()))
    assert outcome.decision == decision
    wobble = np.mean([0.3 * math.sin(1 + 2.4 * place) for place in range(8)])
    assert outcome.effect.estimate == pytest.approx(at_low + spread * wobble)
    assert outcome.count == 2 * 8 * (2 + 2 + 1)  # codecs x images x noises at low and at high rate, and clean


def test_h4_where_psnr_does_not_fall() -> None:
    def measured(shot: Shot) -> Measured:
        bpp, _, psnr_clean = gaining(3, 1)(shot)
        return bpp, shot.psnr + 1, psnr_clean

    assert finding("H4", evidence(table(("jpeg",), measured), identity())).decision == "refuted"


@pytest.mark.parametrize(
    ("rows", "lacking"),
    [
        ([table(("jpeg",), corruptions=("fog",))], "--corruption high"),
        ([table(("jpeg",))], "--codec identity"),
        ([table(("jpeg",)).query("point in ['p0', 'p1', 'p2']"), identity()], "at twice that"),
        (
            [table(("jpeg",), gaining(3, 1), images=IMAGES[:3]), identity()],
            "intervals need at least 6 images, and only 3",
        ),
    ],
    ids=["no-noise", "no-identity", "no-high-rate", "three-images"],
)
def test_h4_says_what_lacks(rows: list[pd.DataFrame], lacking: str) -> None:
    outcome = finding("H4", evidence(*rows))
    assert outcome.decision == "undecided"
    assert lacking in f"{outcome.reason}: {outcome.command}"


# --- H5: kept noise


def keeping(kept: Mapping[str, tuple[float, float]]) -> Callable[[Shot], Measured]:
    """Return measurements that keep a share of the noise: that at p0, and by how much it rises to each next point.

    Under noise a codec spends twice the rate.
    """

    def measured(shot: Shot) -> Measured:
        noise = 255**2 * 10 ** (-(NOISY + shot.wobble) / 10)
        first, step = kept[shot.codec]
        error = 255**2 * 10 ** (-shot.psnr / 10) + (first + step * shot.rung) * noise
        return 2 * shot.bpp, shot.psnr - 10, 10 * math.log10(255**2 / error)

    return measured


@pytest.mark.parametrize(
    ("neural", "offset", "decision"),
    [(0.2, -8, "supported"), (0.2, 8, "refuted"), (0.28, 0, "refuted")],
    ids=["differ-and-swap", "same-order", "alike"],
)
def test_h5(neural: float, offset: float, decision: str) -> None:
    """At equal quality the codecs are `offset / 4` points apart, each of which keeps 0.1 more of the noise."""
    kept = {"jpeg": (0.3, 0.1), NEURAL: (neural, 0.1)}
    outcome = finding("H5", evidence(table(kept, keeping(kept), offsets={NEURAL: offset}), identity()))
    assert outcome.decision == decision
    assert outcome.effect.estimate == pytest.approx(100 * (neural - 0.3), abs=0.01)
    assert outcome.codecs == ("jpeg", NEURAL)
    at_quality = 100 * (0.3 - neural) + 100 * 0.1 * offset / 4
    swapped = f"jpeg against {NEURAL} {100 * (0.3 - neural):+.1f} and {at_quality:+.1f}"
    assert (f"{swapped} (sure)" in outcome.reason) == (decision == "supported")
    assert "left out" not in outcome.reason


def test_h5_compares_at_the_rate_spent_under_noise() -> None:
    """A codec that spends four times the rate under noise is compared with points of the other two steps dearer."""
    kept = {"jpeg": (0.3, 0.1), NEURAL: (0.3, 0.1)}
    usual = keeping(kept)

    def measured(shot: Shot) -> Measured:
        bpp, psnr, psnr_clean = usual(shot)
        return (4 * bpp if shot.codec == NEURAL else bpp), psnr, psnr_clean

    outcome = finding("H5", evidence(table(kept, measured), identity()))
    assert outcome.effect.estimate == pytest.approx(-20, abs=0.01)


def test_h5_names_codecs_that_cannot_be_compared() -> None:
    kept = {"jpeg": (0.3, 0.1), NEURAL: (0.1, 0.1), "webp": (0.3, 0.1)}
    rows = table(kept, keeping(kept))
    short = rows[(rows["codec"] != "webp") | (rows["point"] == "p2")]
    outcome = finding("H5", evidence(short, identity()))
    assert outcome.codecs == ("jpeg", NEURAL)
    assert outcome.reason.endswith("left out, with too little rate or quality in common: webp")


def test_h5_leaves_out_points_that_few_images_have() -> None:
    kept = {"jpeg": (0.3, 0.1), NEURAL: (0.1, 0.1)}
    rows = table(kept, keeping(kept))
    more = rows[(rows["codec"] == "jpeg") & (rows["point"] == "p2") & (rows["image"] == IMAGES[0])]
    whole, with_more = (
        finding("H5", evidence(*tables, identity())) for tables in ([rows], [rows, more.assign(point="matched")])
    )
    assert with_more.effect == whole.effect
    assert with_more.count == whole.count == 2 * 5 * 2 * len(IMAGES)


@pytest.mark.parametrize(
    ("codecs", "noise", "missing", "asked"),
    [
        (("jpeg",), True, "neural codec", ["hyperprior-cs"]),
        ((NEURAL,), True, "classical codec", ["jpeg"]),
        (("jpeg", NEURAL), False, "error of the noise itself, which measuring another codec adds", ["identity"]),
    ],
    ids=["neural", "classical", "noise"],
)
def test_h5_names_what_lacks_and_nothing_that_is_there(
    codecs: tuple[str, ...], noise: bool, missing: str, asked: list[str]
) -> None:
    kept = dict.fromkeys(("jpeg", NEURAL), (0.1, 0.1))
    outcome = finding("H5", evidence(table(codecs, keeping(kept)), *([identity()] if noise else [])))
    assert (outcome.decision, outcome.reason) == ("undecided", missing)
    assert [value for option, value in pairwise(outcome.command.split()) if option == "--codec"] == asked


# --- H6: pruning


@pytest.mark.parametrize(
    ("clean", "noisy", "decision"),
    [(-0.1, -0.1, "supported"), (-3, -0.1, "refuted"), (-0.1, -1, "refuted"), (-0.1, -0.2, "undecided")],
    ids=["close-and-unhurt", "far-on-clean", "hurt", "at-the-threshold"],
)
def test_h6(clean: float, noisy: float, decision: str) -> None:
    def measured(shot: Shot) -> Measured:
        return shot.bpp, shot.psnr, 22 + (noisy + 0.1 * shot.wobble if shot.codec == PRUNED else 0)

    outcome = finding("H6", evidence(table((NEURAL, PRUNED), measured, offsets={PRUNED: clean})))
    assert outcome.decision == decision
    assert outcome.effect.estimate == pytest.approx(noisy, abs=0.03)


def test_h6_names_the_codecs_and_the_interval_of_the_bd_rate() -> None:
    ours = {NEURAL: "hyperprior-cs", PRUNED: "hyperprior-pruned95-cs"}
    rows = table((NEURAL, PRUNED), offsets={PRUNED: -0.1}).replace({"codec": ours})
    outcome = finding("H6", evidence(rows, widths={"hyperprior-pruned95-cs": f"ours, {WIDTH}"}))
    assert outcome.effect.estimate == pytest.approx(-0.1, abs=0.05)
    assert outcome.codecs == ("hyperprior-cs", "hyperprior-pruned95-cs")
    # Rates double in 4 dB, so that 0.1 dB are 1.7 % of the rate.
    expected = 100 * (2 ** (0.1 / 4) - 1)
    assert f"hyperprior-pruned95-cs against hyperprior-cs {expected:+.1f} %" in outcome.reason


def test_h6_needs_a_dense_twin() -> None:
    for codecs in ((NEURAL, "hyperprior-y@pruned"), (PRUNED,), ("hyperprior-lct-cs", "hyperprior-pruned95-cs")):
        outcome = finding("H6", evidence(table(codecs)))
        assert outcome.decision == "undecided"
        assert outcome.reason.startswith(f"dense twin of {codecs[-1]} (")
    wide = finding("H6", evidence(table((NEURAL, PRUNED)), widths={PRUNED: WIDTH.replace("48", "96")}))
    assert (wide.decision, wide.command) == ("undecided", "")
    assert "N=96" in wide.reason
    assert finding("H6", evidence(table((NEURAL,)))).reason == "pruned neural codec (prun in its name)"


def test_h6_needs_a_curve_of_the_pruned_codec() -> None:
    rows = table((NEURAL, PRUNED))
    two = rows[(rows["codec"] == NEURAL) | rows["point"].isin(["p1", "p2"])]
    outcome = finding("H6", evidence(two))
    assert outcome.decision == "undecided"
    assert outcome.reason == f"four points that overlap on clean images, of {NEURAL}, {PRUNED}"
    more = table(("hyperprior-x@", "hyperprior-x@pruned"), offsets={"hyperprior-x@pruned": -0.1})
    assert finding("H6", evidence(two, more)).effect.estimate == pytest.approx(-0.1, abs=0.05)


# --- H9: rate

RATES = {"gaussian_noise": 2.0, "shot_noise": 2.0, "defocus_blur": 0.7, "fog": 0.8, "contrast": 0.5}


def inflating(rates: Mapping[str, float]) -> Callable[[Shot], Measured]:
    return lambda shot: (shot.bpp * rates[shot.corruption] * math.exp(0.2 * shot.wobble), shot.psnr, shot.psnr)


@pytest.mark.parametrize(
    ("changed", "decision"),
    [
        ({}, "supported"),
        ({"fog": 1.3}, "refuted"),
        ({"gaussian_noise": 1.05, "shot_noise": 1.05}, "refuted"),
        ({"contrast": 1.0}, "undecided"),
    ],
    ids=["as-claimed", "fog-costs-more", "noise-hardly-rises", "contrast-as-before"],
)
def test_h9(changed: Mapping[str, float], decision: str) -> None:
    rates = {**RATES, **changed}
    outcome = finding("H9", evidence(table(("jpeg", "webp"), inflating(rates), list(rates))))
    assert outcome.decision == decision
    wobble = np.mean([0.06 * math.sin(1 + 2.4 * place) for place in range(8)])
    assert outcome.effect.estimate == pytest.approx(100 * (rates["shot_noise"] * math.exp(wobble) - 1))
    assert outcome.count == 2 * 5 * 8 * 5


def test_h9_leaves_out_what_holds_its_rate() -> None:
    free = table(("jpeg",), inflating(RATES), list(RATES))
    held = table(("jpeg2000",), inflating(dict.fromkeys(RATES, 1.0)), list(RATES), rate_wobbles=False)
    both, alone = (finding("H9", evidence(*rows)) for rows in ((free, held), (free,)))
    assert both.effect == alone.effect
    assert "left out as rate-controlled: jpeg2000" in both.reason
    assert "of a codec that is not rate-controlled" in finding("H9", evidence(held)).reason


def test_h9_names_the_corruptions_that_lack() -> None:
    rates = {name: rate for name, rate in RATES.items() if name not in {"fog", "defocus_blur"}}
    outcome = finding("H9", evidence(table(("jpeg",), inflating(rates), list(rates))))
    assert outcome.decision == "undecided"
    assert "--corruption defocus_blur --corruption fog" in outcome.command
    assert "--corruption contrast" not in outcome.command


# --- H10: single frequencies

WAVES = [f"fourier_{number}_0_of_32" for number in range(1, 17)]


@pytest.mark.parametrize(
    ("jpeg2000", "neural", "decision"),
    [(0.5, 3, "supported"), (3, 0.5, "refuted"), (0, 3, "refuted"), (0.5, 0.5, "undecided")],
)
def test_h10(jpeg2000: float, neural: float, decision: str) -> None:
    swing = {"jpeg2000": jpeg2000, NEURAL: neural}

    def measured(shot: Shot) -> Measured:
        wave = math.sqrt(2) * math.sin(2 * math.pi * WAVES.index(shot.corruption) / len(WAVES))
        own = 0.01 * math.sin(99 * shot.wobble) if shot.codec == NEURAL else 0
        return shot.bpp, 30 + (swing[shot.codec] + own) * wave, 30

    outcome = finding("H10", evidence(table(swing, measured, WAVES)))
    assert outcome.decision == decision
    assert outcome.effect.estimate == pytest.approx(neural - jpeg2000, abs=0.02)


@pytest.mark.parametrize(
    ("codecs", "waves"), [((NEURAL,), WAVES), (("jpeg2000",), WAVES), (("jpeg2000", NEURAL), WAVES[:9])]
)
def test_h10_needs_jpeg2000_a_neural_codec_and_many_frequencies(codecs: tuple[str, ...], waves: list[str]) -> None:
    outcome = finding("H10", evidence(table(codecs, corruptions=waves)))
    assert outcome.decision == "undecided"
    assert "16 Fourier perturbations" in outcome.reason


# --- H12: two sets


def set_of(name: str, codecs: Sequence[str]) -> pd.DataFrame:
    """Return rows of a set on which each codec is half a dB worse than the one before."""
    return table(codecs, of=name, offsets={codec: -0.5 * place for place, codec in enumerate(codecs)})


SIX = ("vvc", "avif", "hevc", "webp", "jpeg2000", "jpeg")


@pytest.mark.parametrize(
    ("order", "tau", "decision"),
    [
        (SIX, 1, "supported"),
        (("avif", "vvc", *SIX[2:]), 1 - 2 / 15, "supported"),
        (("avif", "vvc", "webp", "hevc", *SIX[4:]), 1 - 4 / 15, "refuted"),
        (SIX[::-1], -1, "refuted"),
    ],
    ids=["same", "one-pair", "two-pairs", "reversed"],
)
def test_h12(order: tuple[str, ...], tau: float, decision: str) -> None:
    outcome = finding("H12", evidence(set_of("kodak", SIX), set_of("clic2020-test", order)))
    assert outcome.decision == decision
    assert outcome.effect.estimate == pytest.approx(tau)
    assert outcome.effect.low == pytest.approx(tau)  # scores of codecs hardly vary with the images
    assert f"kodak: {', '.join(SIX)}" in outcome.reason
    assert "2 corrupted conditions" in outcome.used


def test_h12_compares_the_conditions_that_both_sets_have() -> None:
    kodak, clic = set_of("kodak", SIX), set_of("clic2020-test", SIX)
    one = clic[clic["corruption"] != NOISES[1]]
    assert "1 corrupted condition" in finding("H12", evidence(kodak, one)).used


def test_h12_needs_both_sets_and_six_codecs() -> None:
    assert finding("H12", evidence(set_of("kodak", SIX))).reason == "rows of a clic set"
    five = finding("H12", evidence(set_of("kodak", SIX[1:]), set_of("clic2020-test", SIX)))
    assert five.decision == "undecided"
    assert five.reason == "6 codecs ranked on both sets under the same conditions (5 are)"


# --- H1, H3, H7: shapes


def test_power_that_moves_is_what_lies_elsewhere() -> None:
    assert moved(spectrum(50), 7 * spectrum(80)) == pytest.approx(30)
    assert moved(spectrum(0), spectrum(100)) == pytest.approx(100)


def clean_profiles(tilts: Mapping[str, Tilt]) -> pd.DataFrame:
    return profiles(*(("D", "none", 0, codec, f"p{rung}", tilt) for codec, tilt in tilts.items() for rung in range(5)))


@pytest.mark.parametrize(("tilt", "decision"), [(80, "supported"), (57, "undecided"), (52, "refuted")])
def test_h1(tilt: float, decision: str) -> None:
    outcome = finding("H1", evidence(table(("jpeg", "webp")), of_profiles=clean_profiles({"jpeg": 50, "webp": tilt})))
    assert outcome.decision == decision
    assert outcome.effect.estimate == pytest.approx(tilt - 50)
    assert "jpeg:p0 and webp:p0" in outcome.reason
    assert ("no interval lies" in outcome.reason) == (decision == "undecided")


def test_h1_is_not_refuted_by_codecs_that_are_alike_where_others_are_not() -> None:
    tilts = {"jpeg": 50, "webp": 51, "avif": 52, "jpeg2000": 62}
    outcome = finding("H1", evidence(table(tuple(tilts)), of_profiles=clean_profiles(tilts)))
    assert outcome.effect.estimate < 10
    assert outcome.decision == "undecided"


def test_the_interval_of_a_shape_is_that_of_mean_spectra_of_resampled_images() -> None:
    """Images are drawn, their spectra averaged, three pairs of them compared, and the median taken."""
    rng = np.random.default_rng(1)
    tilts = {"jpeg": 50.0, "webp": rng.normal(62, 4, len(IMAGES)), "avif": rng.normal(70, 9, len(IMAGES))}
    outcome = finding("H1", evidence(table(tuple(tilts)), of_profiles=clean_profiles(tilts)))

    def median(draws: Sequence[int]) -> float:
        powers = [
            np.mean([np.broadcast_to(tilt, len(IMAGES))[draw] * (1 + (draw == 1)) for draw in draws])
            / np.mean([1 + (draw == 1) for draw in draws])
            for tilt in tilts.values()
        ]
        return float(np.median([abs(first - second) for first, second in itertools.combinations(powers, 2)]))

    drawn = [median(np.repeat(range(len(IMAGES)), times.astype(int))) for times in bootstrap(len(IMAGES), 2000)]
    low, high = np.quantile(drawn, levels(len(IMAGES)))
    assert outcome.effect.estimate == pytest.approx(median(range(len(IMAGES))), rel=1e-5)
    assert (outcome.effect.low, outcome.effect.high) == pytest.approx((low, high), rel=1e-5)


@pytest.mark.parametrize(
    ("tilts", "decision"),
    [([65, 75] * 4, "supported"), ([50, 72] * 4, "undecided"), ([46, 60] * 4, "undecided"), ([51, 53] * 4, "refuted")],
    ids=["above", "about-the-upper", "about-the-lower", "below"],
)
def test_the_whole_interval_of_a_shape_decides(tilts: Sequence[float], decision: str) -> None:
    rows, of_profiles = table(("jpeg", "webp")), clean_profiles({"jpeg": 50, "webp": tilts})
    assert finding("H1", evidence(rows, of_profiles=of_profiles)).decision == decision


def test_shapes_of_few_images_have_no_interval() -> None:
    few = profiles(
        *(("D", "none", 0, codec, "p0", tilt) for codec, tilt in (("jpeg", 50), ("webp", 80))), images=IMAGES[:5]
    )
    outcome = finding("H1", evidence(table(("jpeg", "webp")), of_profiles=few))
    assert (outcome.decision, outcome.effect.known) == ("undecided", False)
    assert "at least 6 images, and only 5" in outcome.reason


def test_spectra_are_compared_over_the_images_that_they_share() -> None:
    first = profiles(("D", "none", 0, "jpeg", "p0", 50), images=IMAGES[:7])
    second = profiles(("D", "none", 0, "webp", "p0", [0, *[70] * 7]))
    outcome = finding("H1", evidence(table(("jpeg", "webp")), of_profiles=pd.concat([first, second.iloc[::-1]])))
    assert outcome.count == 2 * 7
    expected = 50 - (6 * 70 + 70) / 8  # the second of the seven counts twice, the first has nothing below
    assert outcome.effect.estimate == pytest.approx(abs(expected), rel=1e-5)
    apart = profiles(("D", "none", 0, "webp", "p0", 70), images=IMAGES[7:])
    apart_outcome = finding("H1", evidence(table(("jpeg", "webp")), of_profiles=pd.concat([first, apart])))
    assert "spectra of the same images" in apart_outcome.reason


def encoded_worse(rows: pd.DataFrame, codec: str, name: str) -> pd.DataFrame:
    """Return the rows of a codec under another name and with 5 % more bits, which leaves its pixels as they are."""
    rows = rows[rows["codec"] == codec]
    return rows.assign(codec=name, bpp=1.05 * rows["bpp"])


@pytest.mark.parametrize("first", [True, False], ids=["it-is-first", "it-is-last"])
def test_codecs_that_decode_the_same_pixels_count_once(first: bool) -> None:
    """Else the median of H1 over pairs is that of jpeg and jpeg-fixed, which are alike, with others."""
    rows, tilts = table(("jpeg", "webp", "avif")), {"jpeg": 50, "webp": 65, "avif": 90}
    twin = encoded_worse(rows, "jpeg", "jpeg-fixed")
    both = evidence(*((twin, rows) if first else (rows, twin)), of_profiles=clean_profiles(tilts | {"jpeg-fixed": 50}))
    outcome, alone = finding("H1", both), finding("H1", evidence(rows, of_profiles=clean_profiles(tilts)))
    assert (outcome.effect, outcome.codecs) == (alone.effect, alone.codecs)
    assert outcome.effect.estimate == pytest.approx(25)


def test_codecs_that_differ_on_one_image_count_as_two() -> None:
    rows = table(("jpeg", "webp"))
    twin = encoded_worse(rows, "jpeg", "jpeg-fixed")
    twin.iloc[-1, twin.columns.get_loc("psnr")] += 0.001
    tilts = {"jpeg": 50, "webp": 65, "jpeg-fixed": 50}
    assert "jpeg-fixed" in finding("H1", evidence(rows, twin, of_profiles=clean_profiles(tilts))).codecs


def test_h1_compares_only_what_is_equal_on_clean_images() -> None:
    records = evidence(
        table(("jpeg", "webp"), offsets={"webp": 1}), of_profiles=clean_profiles({"jpeg": 50, "webp": 80})
    )
    assert "within 10% of bpp and 0.5 dB" in finding("H1", records).reason
    assert "radial profiles of spectra (D)" in finding("H1", evidence(table(("jpeg", "webp")))).reason


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [(52, 80, "supported"), (80, 60, "refuted"), (52, 57, "undecided"), (75, 90, "undecided")],
    ids=["as-claimed", "the-other-way", "hardly", "low-changes-too"],
)
def test_h3(low: float, high: float, decision: str) -> None:
    of_profiles = profiles(
        ("D", "none", 0, "jpeg", "p1", 50),
        ("G", "fog", 3, "jpeg", "p1", low),
        ("G", "shot_noise", 3, "jpeg", "p1", high),
    )
    outcome = finding("H3", evidence(table(("jpeg",)), of_profiles=of_profiles))
    assert outcome.decision == decision
    assert outcome.effect.estimate == pytest.approx(high - low)
    assert outcome.count == 3 * len(IMAGES)


def test_h3_needs_both_bands() -> None:
    of_profiles = profiles(("D", "none", 0, "jpeg", "p1", 50), ("G", "fog", 3, "jpeg", "p1", 60))
    outcome = finding("H3", evidence(table(("jpeg",)), of_profiles=of_profiles))
    assert outcome.decision == "undecided"
    assert re.search("--corruption low --corruption high .*--spectra --out", outcome.command)


@pytest.mark.parametrize(("tilt", "decision"), [(80, "supported"), (57, "undecided"), (52, "refuted")])
def test_h7(tilt: float, decision: str) -> None:
    rows = table(("jpeg", NEURAL, VARIABLE), offsets={VARIABLE: -3})  # matched by rate alone
    tilts = {"jpeg": 0, NEURAL: 50, VARIABLE: tilt}
    outcome = finding("H7", evidence(rows, of_profiles=clean_profiles(tilts)))
    assert outcome.decision == decision
    assert outcome.effect.estimate == pytest.approx(tilt - 50)


def test_h7_compares_codecs_of_one_architecture_and_width() -> None:
    codecs = (NEURAL, VARIABLE, "bmshj2018-hyperprior-y@base", PRUNED)
    tilts = {NEURAL: 50.0, VARIABLE: 57.0, "bmshj2018-hyperprior-y@base": 90.0, PRUNED: 90.0}
    outcome = finding("H7", evidence(table(codecs), of_profiles=clean_profiles(tilts)))
    assert outcome.effect.estimate == pytest.approx(7)
    assert outcome.codecs == (NEURAL, VARIABLE)
    wide = evidence(table(codecs), of_profiles=clean_profiles(tilts), widths={VARIABLE: WIDTH.replace("48", "96")})
    assert "of one architecture and width" in finding("H7", wide).reason


def test_h7_needs_both_models_at_one_rate() -> None:
    fixed = evidence(table(("jpeg", NEURAL)), of_profiles=clean_profiles({NEURAL: 50}))
    assert "variable-rate and fixed-rate neural codec" in finding("H7", fixed).reason
    rows = pd.concat([table((NEURAL,)), table((VARIABLE,)).eval("bpp = bpp * 1.4")])
    apart = evidence(rows, of_profiles=clean_profiles({NEURAL: 50, VARIABLE: 80}))
    assert "within 10% of bpp of each other" in finding("H7", apart).reason
