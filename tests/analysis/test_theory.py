"""Theory against measurement: on fields that are as it supposes, to sampling error; on photographs, with the codec."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.spectrum import GRID, grid, power_spectrum
from codecshift.analysis.theory import (
    BALANCE,
    DEVIATIONS,
    Errors,
    Moments,
    balance_of_spectra,
    deviations,
    mean_square,
    predict,
    predict_spectra,
    principal,
    stationary,
)

KODAK = Path(os.environ.get("CODECSHIFT_DATA", "nowhere")) / "kodak"
LUMINANCE = np.array([0.299, 0.587, 0.114])
RANKS = (1, 3, 10, 21, 48)


def patches(plane: np.ndarray) -> np.ndarray:
    """Return the 8x8 patches of a plane (H, W), shape (n, 64)."""
    down, across = plane.shape[0] // 8, plane.shape[1] // 8
    whole = plane[: down * 8, : across * 8].astype(np.float64).reshape(down, 8, across, 8)
    return np.ascontiguousarray(whole.transpose(0, 2, 1, 3).reshape(-1, 64))


def moments(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Moments:
    """Return the second moments of the patches of planes (clean, shown)."""
    clean, shown = joined(pairs)
    shift = shown - clean
    return Moments(
        *(first.T @ second / len(clean) for first, second in ((clean, clean), (shift, shift), (clean, shift)))
    )


# --- fields as theory supposes them: Gaussian, stationary, of a power law, shifted by fields of their own

SIZE, COUNT = 192, 160


def amplitude(slope: float, rms: float, below: float = 1) -> np.ndarray:
    """Return the root of a power spectrum 1/f^slope without a mean, in the order of fft2, its sum rms^2."""
    radius = np.hypot(np.fft.fftfreq(SIZE)[:, np.newaxis], np.fft.fftfreq(SIZE))
    power = np.where((radius > 0) & (radius < below), np.maximum(radius, 1e-9) ** -slope, 0)
    return rms * np.sqrt(power / power.sum())


def field(root: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.fft.ifft2(root * np.fft.fft2(rng.normal(size=root.shape))).real * SIZE


def autocovariance(root: np.ndarray) -> np.ndarray:
    """Return the second moment of patches of such fields pixel by pixel: the referee of Wiener and Khinchin."""
    products = np.fft.fft2(root**2).real
    places = [(y, x) for y in range(8) for x in range(8)]
    return np.array([[products[a - c, b - d] for c, d in places] for a, b in places])


DATA, SHIFTS = amplitude(2, 50), {"low": amplitude(0, 20, below=1 / 16), "white": amplitude(0, 15)}


@cache
def pairs(shift: str) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(2307)
    clean = [field(DATA, rng) for _ in range(COUNT)]
    return [(one, one + field(SHIFTS[shift], rng)) for one in clean]


Patches = tuple[np.ndarray, np.ndarray]


def joined(of: list[tuple[np.ndarray, np.ndarray]]) -> Patches:
    return np.concatenate([patches(clean) for clean, _ in of]), np.concatenate([patches(shown) for _, shown in of])


@cache
def known_patches(shift: str) -> Patches:
    return joined(pairs(shift))


@cache
def known_grids(shift: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean spectra of the fields and of their shifts."""
    of = pairs(shift)
    return mean_grid([clean for clean, _ in of]), mean_grid([shown - clean for clean, shown in of])


def mean_grid(fields: list[np.ndarray]) -> np.ndarray:
    return np.mean([grid(power_spectrum(one)) for one in fields], axis=0)


def measured(components: np.ndarray, of: Patches) -> dict[str, np.ndarray]:
    """Return the errors, patch by patch, of a projection that is made."""
    x, y = of
    kept = components.T @ components
    return {"D": x @ kept - x, "G": y @ kept - y, "R": y @ kept - x}


def measured_totals(components: np.ndarray, of: Patches) -> list[float]:
    return [float(np.mean(errors**2)) for errors in measured(components, of).values()]


def totals(errors: Errors) -> np.ndarray:
    return np.array([mean_square(errors.D), mean_square(errors.G), mean_square(errors.R)])


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("rank", RANKS)
def test_on_power_law_fields_prediction_is_measurement_to_1_percent(shift: str, rank: int) -> None:
    """From the spectra that the fields were drawn from alone, and the principal components of those."""
    data = autocovariance(DATA)
    components = principal(data)[:rank]
    told = predict(components, Moments(data, autocovariance(SHIFTS[shift]), np.zeros((64, 64))))
    np.testing.assert_allclose(totals(told), measured_totals(components, known_patches(shift)), rtol=0.01)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("rank", RANKS)
def test_from_spectra_on_the_grid_prediction_is_measurement_to_1_percent(shift: str, rank: int) -> None:
    data, other = map(stationary, known_grids(shift))
    components = principal(data)[:rank]
    told = predict(components, Moments(data, other, np.zeros((64, 64))))
    np.testing.assert_allclose(totals(told), measured_totals(components, known_patches(shift)), rtol=0.01)


@pytest.mark.parametrize("rank", RANKS)
def test_the_prediction_is_the_sum_of_variances_of_the_paper(rank: int) -> None:
    data, shift = autocovariance(DATA), autocovariance(SHIFTS["white"])
    components = principal(data)
    own, added = (np.diag(components @ of @ components.T) / 64 for of in (data, shift))
    d = own[rank:].sum()
    expected = [d, d + added[rank:].sum(), d + added[:rank].sum()]
    errors = predict(components[:rank], Moments(data, shift, np.zeros((64, 64))))
    np.testing.assert_allclose(totals(errors), expected, rtol=1e-9)
    d, g, r = totals(errors)
    assert g + r == pytest.approx(2 * d + mean_square(shift), rel=1e-9)


def test_what_is_low_passes_and_what_is_high_is_removed() -> None:
    """G = D under a shift that the components keep, R = D under one that they lose."""
    components = principal(autocovariance(DATA))
    for place, pair in ((0, (0, 1)), (63, (0, 2))):
        shift = 100 * np.outer(components[place], components[place])
        told = totals(predict(components[:6], Moments(autocovariance(DATA), shift, np.zeros((64, 64)))))
        assert told[pair[0]] == pytest.approx(told[pair[1]], rel=1e-9)


# --- any shift, with the moments that were measured


@pytest.mark.parametrize("rank", [1, 10, 48])
def test_with_cross_moments_any_shift_is_predicted_exactly(rank: int) -> None:
    """A shift that is anything but independent: contrast halved, and clipped."""
    of = [(clean, np.clip(clean / 2 + 3, -30, 30)) for clean, _ in pairs("white")[:4]]
    known = moments(of)
    components = principal(known.data)[:rank]
    told = predict(components, known)
    for name, errors in measured(components, joined(of)).items():
        moment = errors.T @ errors / len(errors)
        np.testing.assert_allclose(getattr(told, name), moment, atol=1e-9 * np.trace(known.data))
    assert totals(predict(components, known.independent()))[1] > 1.2 * totals(told)[1]


# --- from spectra to second moments


def test_the_second_moment_of_a_field_is_that_of_its_cells() -> None:
    """The plane in lines so fine that a cell holds 81: their autocovariance is told by the sums over the cells."""
    lines = 9 * 64
    rng = np.random.default_rng(4)
    values = rng.uniform(0, 1, (64, 64))
    values = values + np.roll(values[::-1, ::-1], 1, axis=(0, 1))  # of what is real
    fine = values.repeat(9, axis=0).repeat(9, axis=1)
    fine = np.roll(fine, (-4, -4), axis=(0, 1))  # each cell about its centre
    fine[:5, :5] = fine[-4:, :5] = fine[:5, -4:] = fine[-4:, -4:] = 0
    fine[0, 0] = 500  # the middle cell is mean brightness
    products = np.fft.fft2(fine).real
    places = [(y, x) for y in range(8) for x in range(8)]
    expected = np.array([[products[a - c, b - d] for c, d in places] for a, b in places])
    assert fine.shape == (lines, lines)
    np.testing.assert_allclose(stationary(grid(fine)), expected, atol=1e-3 * products[0, 0])


@pytest.mark.parametrize(("down", "across"), [(0, 0), (5, 3), (-7, 12), (-32, 0), (0, 32), (-32, 32)])
def test_one_wave_has_the_second_moment_of_its_cell(down: int, across: int) -> None:
    power = np.zeros((64, 33))
    power[down + 32, across] = 2
    moment = stationary(power)
    y, x = np.divmod(np.arange(64), 8)
    wave = 2 * np.pi * (down * np.subtract.outer(y, y) + across * np.subtract.outer(x, x)) / 64
    np.testing.assert_allclose(moment, 2 * np.cos(wave), atol=2 * 0.04)  # a cell is 1/64 wide, a patch 7 pixels long
    assert np.trace(moment) == pytest.approx(128)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"grid of 64x33, got shape \(64, 64\)"):
        stationary(np.zeros((64, 64)))


def test_principal_components_are_the_constant_and_the_eigenvectors_of_the_rest() -> None:
    data = autocovariance(DATA) + 100**2
    components = principal(data)
    np.testing.assert_allclose(components @ components.T, np.eye(64), atol=1e-12)
    np.testing.assert_array_equal(components[0], np.full(64, 1 / 8))
    variances = components[1:] @ data @ components[1:].T
    np.testing.assert_allclose(variances, np.diag(np.diag(variances)), atol=1e-6)
    assert (np.diff(np.diag(variances)) <= 1e-9).all()


def test_components_of_a_flat_field_are_still_a_basis() -> None:
    components = principal(np.full((64, 64), 128.0**2))
    np.testing.assert_allclose(components @ components.T, np.eye(64), atol=1e-12)


# --- the table of deviations


def line(quantity: str, power: np.ndarray, condition: tuple[str, int], codec: str = "", point: str = "") -> dict:
    place = {"set": "s", "corruption": condition[0], "severity": condition[1], "codec": codec, "point": point}
    return {**place, "quantity": quantity, "channel": "Y", "n": COUNT, "power": power}


def projected(plane: np.ndarray, components: np.ndarray) -> np.ndarray:
    side = len(plane) // 8
    seen = patches(plane) @ components.T @ components
    return seen.reshape(side, side, 8, 8).transpose(0, 2, 1, 3).reshape(plane.shape)


@pytest.fixture(scope="module")
def spectra() -> pd.DataFrame:
    """Return the spectra that a run of the linear codec and of one that does nothing gives, on synthetic fields."""
    of = pairs("white")[:60]
    components = principal(autocovariance(DATA))
    condition = ("gaussian_noise", 3)
    lines = [line("image", mean_grid([clean for clean, _ in of]), ("none", 0))]
    lines.append(line("shift", mean_grid([shown - clean for clean, shown in of]), condition))
    for rank in (3, 10):
        of_rank = [(x, y, projected(x, components[:rank]), projected(y, components[:rank])) for x, y in of]
        named = {"codec": "linear", "point": f"r{rank}"}
        lines.append(line("D", mean_grid([seen - x for x, _, seen, _ in of_rank]), ("none", 0), **named))
        lines.append(line("G", mean_grid([seen - y for _, y, _, seen in of_rank]), condition, **named))
        lines.append(line("R", mean_grid([seen - x for x, _, _, seen in of_rank]), condition, **named))
    nothing = np.zeros((64, 33))
    lines.append(line("D", nothing, ("none", 0), "identity", "raw"))
    lines.append(line("G", nothing, condition, "identity", "raw"))
    lines.append(line("R", lines[1]["power"], condition, "identity", "raw"))
    return pd.DataFrame(lines)


def test_deviations_are_sampling_errors_under_an_additive_shift(spectra: pd.DataFrame) -> None:
    table = deviations(spectra)
    assert list(table.columns) == list(DEVIATIONS)
    assert sorted(zip(table["quantity"], table["rank"], strict=True)) == [(q, r) for q in "DGR" for r in (3, 10)]
    assert table["deviation"].abs().max() < 1
    np.testing.assert_allclose(table["deviation"], 100 * (table["predicted"] / table["measured"] - 1))
    np.testing.assert_allclose(table["correlated"], table["predicted"].where(table["quantity"] == "D"))


def test_a_shift_that_is_correlated_with_the_image_is_told_by_what_was_shown() -> None:
    """Contrast halved, and a little noise: as if independent G is five times too much, and R is right all the same."""
    of = [(x, x / 2 + (y - x) / 10) for x, y in pairs("white")[:60]]
    components, condition = principal(autocovariance(DATA))[:10], ("contrast", 1)
    fields = {
        ("image", ("none", 0)): [x for x, _ in of],
        ("image", condition): [y for _, y in of],
        ("shift", condition): [y - x for x, y in of],
    }
    lines = [line(quantity, mean_grid(several), where) for (quantity, where), several in fields.items()]
    named = {"codec": "linear", "point": "r10"}
    seen = [projected(y, components) for _, y in of]
    for quantity, against in (("G", [y for _, y in of]), ("R", [x for x, _ in of])):
        errors = [one - other for one, other in zip(seen, against, strict=True)]
        lines.append(line(quantity, mean_grid(errors), condition, **named))
    table = deviations(pd.DataFrame(lines)).set_index("quantity")
    assert table["correlated_deviation"].abs().max() < 1
    assert table.loc["G", "deviation"] > 300
    assert abs(table.loc["R", "deviation"]) < 1


def test_components_can_be_given(spectra: pd.DataFrame) -> None:
    worst_first = principal(autocovariance(DATA))[[0, *range(63, 0, -1)]]
    table = deviations(spectra, components=worst_first)
    assert (table.loc[table["quantity"] == "D", "deviation"] > 20).all()


def test_what_the_spectra_lack_has_no_line(spectra: pd.DataFrame) -> None:
    assert set(deviations(spectra[spectra["quantity"] != "shift"])["quantity"]) == {"D"}
    assert deviations(spectra[spectra["quantity"] != "image"]).empty
    assert deviations(spectra, codec="jpeg").empty
    assert deviations(spectra.iloc[:0]).empty
    assert balance_of_spectra(spectra.iloc[:0]).empty
    assert balance_of_spectra(spectra[spectra["quantity"] != "D"]).empty


# --- the balance


def test_a_linear_codec_balances(spectra: pd.DataFrame) -> None:
    table = balance_of_spectra(spectra)
    assert list(table.columns) == list(BALANCE)
    assert list(zip(table["codec"], table["point"], strict=True)) == [("linear", "r3"), ("linear", "r10")]
    assert table["residual"].abs().max() < 1


# --- the real codec on real photographs


@pytest.mark.needs("kodak")
@pytest.mark.parametrize("rank", [1, 10, 36])
def test_the_codec_does_to_kodak_what_theory_says(rank: int) -> None:
    """D, G and R of 8-bit pixels, by the codec's own components and the moments of images and shift: to rounding."""
    from codecshift.codecs.linear import Linear, bases
    from codecshift.corruptions.pixels import read_pixels
    from codecshift.corruptions.table import CORRUPTIONS

    codec = Linear(rank)
    noise, rng = CORRUPTIONS["gaussian_noise"], np.random.default_rng(5)
    of, found = [], {"D": 0.0, "G": 0.0, "R": 0.0}
    names = ("kodim04", "kodim07", "kodim08", "kodim23")
    for name in names:
        clean = read_pixels(KODAK / f"{name}.png")
        shown = noise(clean, 3, rng)
        x, y, seen, seen_clean = (
            image @ LUMINANCE
            for image in (clean, shown, codec.decode(codec.encode(shown)), codec.decode(codec.encode(clean)))
        )
        of.append((x, y))
        for quantity, error in (("D", seen_clean - x), ("G", seen - y), ("R", seen - x)):
            found[quantity] += float(np.mean(error**2)) / len(names)
    told = predict(bases()[0, :rank], moments(of))
    # Rounding adds 0.037 to each; clipping, which theory does not know, is the rest.
    np.testing.assert_allclose(totals(told) + 0.037, list(found.values()), rtol=0.04)
    independent = predict(bases()[0, :rank], moments(of).independent())
    np.testing.assert_allclose(totals(independent), list(found.values()), rtol=0.1)  # noise is clipped where it is dark


@pytest.mark.parametrize("frequency", [(0, 0), (3, 5), (-11, 24), (-32, 32), (8, 0), (20, 32)])
@pytest.mark.parametrize("rank", [1, 6, 40])
def test_the_spectra_of_errors_are_those_of_projected_waves(frequency: tuple[int, int], rank: int) -> None:
    """A stationary field of one frequency is a wave of random phase; two quadratures have its mean spectrum."""
    basis = np.linalg.qr(np.random.default_rng(rank).normal(size=(64, 64)))[0].T[:rank]
    down, across = np.mgrid[:64, :64]
    phases = 2 * np.pi * (frequency[0] * down + frequency[1] * across) / 64
    image, correlation = 3.0, 0.25  # the shift is a quarter of the image
    measured = {name: np.zeros(GRID) for name in ("x", "e", "c", "D", "G", "R")}
    for quadrature in (np.cos, np.sin):
        wave = image * quadrature(phases)
        shown = wave * (1 + correlation)
        decoded = projected(shown, basis)
        errors = {"D": projected(wave, basis) - wave, "G": decoded - shown, "R": decoded - wave}
        for name, plane in ({"x": wave, "e": shown - wave, "c": shown} | errors).items():
            measured[name] += grid(power_spectrum(plane)) / 2
    predicted = predict_spectra(basis, measured["x"], measured["e"], measured["c"])
    for name in "DGR":
        np.testing.assert_allclose(getattr(predicted, name), measured[name], atol=1e-10)


def test_the_spectra_of_errors_add_up_as_the_theory_of_projectors_says() -> None:
    noise = np.random.default_rng(5)
    image, shift = (grid(power_spectrum(noise.normal(size=(64, 64)))) for _ in range(2))
    errors = predict_spectra(principal(stationary(image))[:7], image, shift)
    total = errors.G.sum() + errors.R.sum()
    assert total == pytest.approx(2 * errors.D.sum() + shift.sum())
