"""Codecs are found by label, plugins are taken in or listed as faults, and opening closes what it opened."""

import importlib.metadata
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from codecshift.codecs.protocol import CodecError, CodecUnavailable, Point, Spec
from codecshift.codecs.registry import (
    BUILT_IN,
    NEURAL,
    PLUGINS,
    UnknownCodec,
    catalogue,
    find,
    find_point,
    identify,
    open_codec,
)

# --- labels


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_a_bare_name_is_the_whole_ladder(spec: Spec) -> None:
    assert find(spec.name) == (spec, spec.points)


LADDER = [(spec, point) for spec in BUILT_IN for point in spec.points]


@pytest.mark.parametrize(("spec", "point"), LADDER, ids=[f"{spec.name}:{point.name}" for spec, point in LADDER])
def test_every_point_of_a_ladder_answers_to_its_label(spec: Spec, point: Point) -> None:
    assert find(f"{spec.name}:{point.name}") == (spec, (point,))


@pytest.mark.parametrize(
    ("label", "point"),
    [
        ("jpeg:q75", Point("q75", {"quality": 75})),
        ("jpeg:q075", Point("q75", {"quality": 75})),
        ("jpeg:q55", Point("q55", {"quality": 55})),
        ("jpeg-444:q1", Point("q1", {"quality": 1})),
        ("webp:q100", Point("q100", {"quality": 100})),
        ("avif:q50.0", Point("q50", {"quality": 50})),
        ("jpeg2000:r0.5", Point("r0.5", {"bpp": 0.5})),
        ("jpeg2000:r.50", Point("r0.5", {"bpp": 0.5})),
        ("jpeg2000:r2", Point("r2", {"bpp": 2})),
        ("identity:raw", Point("raw")),
    ],
)
def test_any_value_of_a_codecs_own_scale_is_a_point(label: str, point: Point) -> None:
    spec, points = find(label)
    assert (spec.name, points) == (label.partition(":")[0], (point,))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("jpeg:q0", "jpeg has no point 'q0': expected q1 to q100 in whole steps, got 0"),
        ("jpeg:q101", "jpeg has no point 'q101': expected q1 to q100 in whole steps, got 101"),
        ("jpeg:q7.5", "jpeg has no point 'q7.5': expected q1 to q100 in whole steps, got 7.5"),
        ("jpeg:qnan", "jpeg has no point 'qnan': expected q1 to q100 in whole steps, got 'qnan'"),
        ("jpeg:qinf", "jpeg has no point 'qinf': expected q1 to q100 in whole steps, got 'qinf'"),
        ("jpeg:r0.5", "jpeg has no point 'r0.5': expected q1 to q100 in whole steps, got 'r0.5'"),
        ("jpeg:75", "jpeg has no point '75': expected q1 to q100 in whole steps, got '75'"),
        ("jpeg:", "jpeg has no point '': expected q1 to q100 in whole steps, got ''"),
        ("jpeg:q75:q80", "jpeg has no point 'q75:q80': expected q1 to q100 in whole steps, got 'q75:q80'"),
        ("jpeg2000:r0", "jpeg2000 has no point 'r0': expected r0.01 to r12, got 0"),
        ("jpeg2000:q75", "jpeg2000 has no point 'q75': expected r0.01 to r12, got 'q75'"),
        ("identity:rew", "identity has no point 'rew': expected one of raw (did you mean 'raw'?)"),
        ("identity:q75", "identity has no point 'q75': expected one of raw"),
    ],
)
def test_a_point_that_is_none_is_refused_with_what_was_expected(label: str, expected: str) -> None:
    with pytest.raises(UnknownCodec) as caught:
        find(label)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("name", "nearest"), [("jpg", "jpeg"), ("jpeg-44", "jpeg-444"), ("jpeg200", "jpeg2000"), ("avif420", "avif-420")]
)
def test_an_unknown_codec_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    for label in (name, f"{name}:q75"):
        with pytest.raises(UnknownCodec, match=rf"^unknown codec '{name}': expected one of .*did you mean '{nearest}'"):
            find(label)


@pytest.mark.parametrize("label", ["", ":q75", "zzzzzz", "JPEG 2000 "])
def test_where_no_name_is_near_all_are_listed(label: str) -> None:
    with pytest.raises(UnknownCodec, match=r"expected one of .*jpeg2000.*`codecshift codecs` lists them"):
        find(label)


def test_a_codec_without_a_scale_has_its_ladder_only() -> None:
    spec = Spec("made", "here:load", (Point("low", {"x": 1}), Point("high", {"x": 2})))
    assert find_point(spec, "high") == spec.points[1]
    with pytest.raises(UnknownCodec, match=r"made has no point 'hihg': expected one of low, high .did you mean 'high'"):
        find_point(spec, "hihg")


def test_the_built_in_table_is_sound() -> None:
    names = [spec.name for spec in BUILT_IN]
    assert sorted(set(names)) == sorted(names)
    for spec in BUILT_IN:
        points = [point.name for point in spec.points]
        assert points
        assert len(set(points)) == len(points)
        # What the fairness table needs is stated.
        assert "?" not in (spec.chroma, spec.colour)
        assert spec.settings
        if spec.scale:
            assert [spec.scale.parse(name) for name in points] == list(spec.points)
            values = [point.params[spec.scale.parameter] for point in spec.points]
            assert values == sorted(values, reverse=not spec.scale.rising)


# --- plugins

PLUGIN = "plugin_of_the_registry_tests"


def made(name: str, **facts: Any) -> Spec:
    return Spec(name, f"{PLUGIN}:load", (Point("only"),), **facts)


def load_failing() -> Spec:
    raise RuntimeError("no licence")


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that makes entry points of its arguments, in their order, and nothing else be installed."""

    def entry(name: str, value: str) -> importlib.metadata.EntryPoint:
        return importlib.metadata.EntryPoint(name, value, PLUGINS)

    def install(*, missing: str = "", **offered: Any) -> None:
        module = types.ModuleType(PLUGIN)
        vars(module).update(offered)
        monkeypatch.setitem(sys.modules, PLUGIN, module)
        entries = [entry(name, f"{PLUGIN}:{name}") for name in offered] + ([entry(missing, missing)] if missing else [])

        def entry_points(*, group: str) -> list[importlib.metadata.EntryPoint]:
            assert group == PLUGINS
            return entries

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
        catalogue.cache_clear()

    yield install
    catalogue.cache_clear()


NAMES = [spec.name for spec in (*BUILT_IN, *NEURAL)]


def test_a_plugin_that_names_a_spec_is_a_codec(offer: Callable[..., None]) -> None:
    offer(mine=made("mine"))
    assert list(catalogue().specs) == [*NAMES, "mine"]
    assert find("mine:only") == (made("mine"), (Point("only"),))
    assert dict(catalogue().faults) == {}


@pytest.mark.parametrize(
    "several",
    [
        pytest.param((made("one"), made("two")), id="tuple"),
        pytest.param(lambda: [made("one"), made("two")], id="function"),
    ],
)
def test_a_plugin_may_offer_several(offer: Callable[..., None], several: Any) -> None:
    offer(several=several)
    assert list(catalogue().specs) == [*NAMES, "one", "two"]
    assert dict(catalogue().faults) == {}


def test_a_function_may_return_one_spec(offer: Callable[..., None]) -> None:
    offer(mine=lambda: made("mine"))
    assert "mine" in catalogue().specs


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        pytest.param(load_failing, "RuntimeError: no licence", id="raises"),
        pytest.param("text", "TypeError: expected a codecshift Spec, got str", id="not-a-spec"),
        pytest.param(lambda: [made("one"), 5], "TypeError: expected a codecshift Spec, got int", id="one-is-none"),
        pytest.param(5, "TypeError", id="no-sequence"),
        pytest.param(made("two:words"), "ValueError: a codec's name has no colon", id="colon"),
        pytest.param(made("two words"), "ValueError: a codec's name has no colon", id="space"),
        pytest.param(Spec("none", "here:load", ()), "ValueError: codec 'none' has no operating points", id="no-points"),
    ],
)
def test_a_broken_plugin_is_a_listed_fault(offer: Callable[..., None], broken: Any, fault: str) -> None:
    offer(broken=broken, mine=made("mine"))
    assert list(catalogue().specs) == [*NAMES, "mine"]
    ((name, reason),) = catalogue().faults.items()
    assert name.startswith("broken (")
    assert fault in reason


def test_a_plugin_whose_import_fails_is_a_listed_fault(offer: Callable[..., None]) -> None:
    offer(missing="module_that_nobody_wrote", mine=made("mine"))
    assert list(catalogue().specs) == [*NAMES, "mine"]
    ((name, reason),) = catalogue().faults.items()
    assert name.startswith("module_that_nobody_wrote (")
    assert "ModuleNotFoundError" in reason


def test_a_name_already_taken_is_a_fault_and_the_first_stays(offer: Callable[..., None]) -> None:
    offer(jpeg=made("jpeg", settings="worse"), first=made("mine", settings="1"), second=made("mine", settings="2"))
    assert list(catalogue().specs) == [*NAMES, "mine"]
    assert catalogue().specs["jpeg"] in BUILT_IN
    assert catalogue().specs["mine"].settings == "1"
    faults = list(catalogue().faults.values())
    assert faults == ["the name 'jpeg' is taken by codecshift", f"the name 'mine' is taken by {PLUGIN}:first"]


def test_the_catalogue_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        catalogue().specs["mine"] = made("mine")  # type: ignore[index]


# --- opening


class Watched:
    """A context manager that notes what happens to it."""

    def __init__(self, *, swallows: bool = False) -> None:
        self.told: list[type[BaseException] | None] = []
        self.swallows = swallows

    def __enter__(self) -> str:
        return "the codec"

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self.told.append(kind)
        return self.swallows


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Spec]:
    """A function that returns a spec opened by what it is given."""

    def plug(load: Any, **facts: Any) -> Spec:
        module = types.ModuleType(PLUGIN)
        vars(module).update(load=load)
        monkeypatch.setitem(sys.modules, PLUGIN, module)
        return made("made", **facts)

    return plug


def test_a_codec_is_opened_with_the_points_parameters(plugged: Callable[..., Spec]) -> None:
    @contextmanager
    def load(**params: Any) -> Iterator[Any]:
        yield params

    with open_codec(plugged(load), Point("x", {"quality": 5, "speed": "slow"})) as codec:
        assert codec == {"quality": 5, "speed": "slow"}


def test_a_codec_is_closed_after_the_block(plugged: Callable[..., Spec]) -> None:
    watched = Watched()
    with open_codec(plugged(lambda: watched), Point("only")) as codec:
        assert (codec, watched.told) == ("the codec", [])
    assert watched.told == [None]


@pytest.mark.parametrize("error", [ValueError, CodecError, CodecUnavailable, KeyboardInterrupt, StopIteration])
def test_a_codec_is_closed_when_the_block_raises(plugged: Callable[..., Spec], error: type[BaseException]) -> None:
    watched = Watched()
    raised = error("in the block")
    with pytest.raises(error) as caught, open_codec(plugged(lambda: watched), Point("only")):
        raise raised
    assert caught.value is raised
    assert watched.told == [error]


def test_an_exception_that_the_codec_swallows_is_gone(plugged: Callable[..., Spec]) -> None:
    watched = Watched(swallows=True)
    with open_codec(plugged(lambda: watched), Point("only")):
        raise ValueError
    assert watched.told == [ValueError]


@contextmanager
def unavailable() -> Iterator[Any]:
    raise CodecUnavailable("no such program: apt install it")
    yield


@contextmanager
def failing() -> Iterator[Any]:
    raise OSError("no weights")
    yield


def test_what_fails_on_opening_is_told_as_unavailable(plugged: Callable[..., Spec]) -> None:
    with (
        pytest.raises(CodecUnavailable, match=r"^made cannot be opened: OSError: no weights; pip install x$") as caught,
        open_codec(plugged(failing, hint="pip install x"), Point("only")),
    ):
        pass
    assert isinstance(caught.value.__cause__, OSError)


def test_a_codec_that_says_itself_why_is_left_to_it(plugged: Callable[..., Spec]) -> None:
    with (
        pytest.raises(CodecUnavailable, match=r"^no such program: apt install it$"),
        open_codec(plugged(unavailable, hint="pip install x"), Point("only")),
    ):
        pass


@pytest.mark.parametrize(
    ("load", "fault"),
    [
        ("module_that_nobody_wrote:load", "ModuleNotFoundError"),
        ("codecshift.codecs.identity:lode", "AttributeError"),
        ("codecshift.codecs.identity", "AttributeError"),
        ("codecshift.codecs.identity:Identity", "TypeError|AttributeError"),
    ],
)
def test_a_spec_that_names_nothing_is_unavailable(load: str, fault: str) -> None:
    spec = Spec("made", load, (Point("only"),))
    with pytest.raises(CodecUnavailable, match=rf"^made cannot be opened: ({fault})"), open_codec(spec, spec.points[0]):
        pass


def test_parameters_that_do_not_fit_are_unavailable() -> None:
    spec, _ = find("jpeg")
    with pytest.raises(CodecUnavailable, match="TypeError"), open_codec(spec, Point("x", {"qualty": 5})):
        pass


# --- identity of libraries


def test_a_codec_names_its_library_or_nothing(plugged: Callable[..., Spec]) -> None:
    assert identify(plugged(lambda: "libx 1.2", identify=f"{PLUGIN}:load")) == "libx 1.2"
    assert identify(made("silent")) == ""


def test_a_library_that_is_missing_is_unavailable(plugged: Callable[..., Spec]) -> None:
    with pytest.raises(CodecUnavailable, match=r"^made cannot be opened: RuntimeError: no licence$"):
        identify(plugged(load_failing, identify=f"{PLUGIN}:load"))


def test_the_built_in_codecs_name_their_library() -> None:
    assert {spec.name for spec in BUILT_IN if spec.name != "identity" and not spec.identify} == set()
