"""The checkpoints that come with the package: whole, small, lawful, and better than JPEG on photographs."""

import math
import re
import tomllib

import numpy as np
import pytest
import skimage.data
from codecshift.analysis.rate import Curve, bd_rate
from codecshift.benchmark.plan.plans import PLANS
from codecshift.codecs import contract
from codecshift.codecs.neural import families
from codecshift.codecs.neural.metadata import read_facts
from codecshift.codecs.protocol import Image, Spec
from codecshift.codecs.registry import find, identify, open_codec

FAMILIES = families.names()
FOLDERS = {"recipe.toml", "log.csv", "valid.csv", "CARD.md"}
LIMIT = 60e6


def spec_of(family: str) -> Spec:
    pytest.importorskip("codecshift.codecs.neural.training.train")
    return find(family)[0]


@pytest.fixture(scope="module")
def photograph() -> Image:
    """A photograph that no network has learnt from, without the edges that the sample set cuts off as well."""
    return np.ascontiguousarray(skimage.data.chelsea()[20:276, 40:424])


def test_there_are_four() -> None:
    assert set(FAMILIES) == {"factorized-cs", "hyperprior-cs", "hyperprior-lct-cs", "hyperprior-pruned95-cs"}


def test_a_pruned_family_has_the_zeros_of_its_name() -> None:
    checkpoint = pytest.importorskip("codecshift.codecs.neural.checkpoint", exc_type=ImportError)
    for path in families.files("hyperprior-pruned95-cs"):
        state = checkpoint.read(path).state
        weights = [value for name, value in state.items() if name.endswith(".weight") and value.ndim == 4]
        zeros = sum(int((value == 0).sum()) for value in weights)
        assert zeros / sum(value.numel() for value in weights) == pytest.approx(0.95, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_comes_with_all_that_made_it(family: str) -> None:
    folder = families.FOLDER / family
    assert {path.name for path in folder.iterdir()} == FOLDERS | {path.name for path in families.files(family)}
    recipe = tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
    lambdas = [read_facts(path).lam for path in families.files(family)]
    assert sorted(lambdas, key=str) == sorted(recipe["lambdas"] if None not in lambdas else [None], key=str)
    for log in ("log.csv", "valid.csv"):
        assert len((folder / log).read_text(encoding="utf-8").splitlines()) > len(lambdas)
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "Trained for codecshift; not the weights of any paper." in card
    assert "Known failures" in card
    assert "Kodak" in card


def test_all_of_them_are_small() -> None:
    assert sum(path.stat().st_size for path in families.FOLDER.rglob("*") if path.is_file()) < LIMIT


def test_plans_hold_them() -> None:
    codecs = {name: set(plan.codecs) for name, plan in PLANS.items()}
    assert codecs["quick"] & set(FAMILIES) == {"hyperprior-cs"}
    assert set(FAMILIES) <= codecs["kodak-c"] & codecs["clic-c"] & codecs["paper"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_are_in_what_identifies_a_codec(family: str) -> None:
    spec = spec_of(family)
    assert re.search(rf"weights {families.digest(family)}$", identify(spec))
    assert spec.settings.startswith("ours, checkpoint, N=")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_laws_hold(family: str) -> None:
    spec = spec_of(family)
    verdicts = list(contract.check(spec, spec.points[len(spec.points) // 2 :][:1]))
    assert [verdict.law for verdict in verdicts] == [law.name for law in contract.LAWS if law.name != "lossless"]
    assert [verdict for verdict in verdicts if verdict.fault] == []


def measured(spec: Spec, image: Image) -> Curve:
    """Return the curve of a codec on one image, each point decoded by a codec opened anew."""
    rates, qualities = [], []
    for point in spec.points:
        with open_codec(spec, point) as codec:
            data = codec.encode(image)
        with open_codec(spec, point) as codec:
            seen = codec.decode(data)
        error = np.square(image.astype(np.float64) - seen).mean()
        rates.append(8 * len(data) / (image.shape[0] * image.shape[1]))
        qualities.append(10 * math.log10(255**2 / error))
    # A ladder that is not monotone would be mended by `through`.
    assert rates == sorted(rates)
    assert qualities == sorted(qualities)
    return Curve.through(np.array(rates), np.array(qualities))


@pytest.mark.parametrize("family", FAMILIES)
def test_ladders_rise_and_are_better_than_jpegs(family: str, photograph: Image) -> None:
    curve, jpeg = measured(spec_of(family), photograph), measured(find("jpeg")[0], photograph)
    if len(curve.bpp) >= 4:
        assert bd_rate(jpeg, curve, minimum_overlap=0.1).percent < -10
    else:
        needed = np.exp(np.interp(curve.quality, jpeg.quality, np.log(jpeg.bpp)))
        assert np.mean(np.log(curve.bpp / needed)) < math.log(0.9)


def test_a_card_names_no_place() -> None:
    for family in FAMILIES:
        assert not re.search(r"(^|\s)/\w+/", (families.FOLDER / family / "CARD.md").read_text(encoding="utf-8"))
