"""Tasks of neural codecs become batches of one shape, point by point, that fit into memory."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codecshift.benchmark.measure.tasks import PIXELS, Batch, Context, Task, divided
from codecshift.benchmark.plan.plans import Shot
from codecshift.benchmark.store.provenance import Device
from codecshift.codecs.protocol import Point, Spec
from codecshift.codecs.registry import find
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.sets import ImageSet, Source

NOWHERE = Path("/nonexistent")
MODULE = "codecshift_lane_test_codecs"


def spec(deed: str = "mixes", kind: str = "batched", log: Path | str = "", bits: Sequence[int] = (3, 5)) -> Spec:
    points = tuple(Point(f"p{one}", {"bits": one, "log": str(log)}) for one in bits)
    name = f"{kind}-{deed}"
    return Spec(name=name, load=f"{MODULE}:load:{kind}/{deed}", points=points, kind="neural")


def images_of(**sizes: tuple[int, int]) -> ImageSet:
    return ImageSet("some", tuple(Source(name, NOWHERE, "", *size) for name, size in sorted(sizes.items())))


def test_a_lane_works_point_by_point_in_batches_of_one_shape() -> None:
    neural, jpeg = spec(), find("jpeg:q50")
    pairs = ((jpeg[0].name, jpeg[1][0]), *((neural.name, point) for point in neural.points))
    images = images_of(a=(10, 20), b=(20, 10), c=(10, 20), d=(10, 20))
    shots = [Shot("some", name, CLEAN, 0) for name in "abcd"]
    context = Context({"some": images}, {neural.name: neural, "jpeg": jpeg[0]}, "r", 60.0, device=Device("cpu", "", 2))
    # Of b, the second point has been worked before.
    tasks = [Task(shot, pairs[: 2 if shot.image == "b" else 3]) for shot in shots]
    for_pool, batches = divided(tasks, context)
    assert for_pool == [Task(shot, pairs[:1]) for shot in shots]
    a, b, c, d = shots
    expected = [((a, c), 1), ((d,), 1), ((b,), 1), ((a, c), 2), ((d,), 2)]
    assert batches == [Batch(some, (pairs[place],)) for some, place in expected]
    assert divided(tasks, replace(context, device=None)) == (tasks, [])
    program = replace(neural, process=True)
    assert divided(tasks, replace(context, specs={program.name: program, "jpeg": jpeg[0]})) == (tasks, [])


def test_a_batch_has_no_more_pixels_than_there_is_memory_for() -> None:
    neural = spec(bits=[3])
    height, width = 1000, PIXELS // 3000
    names = [f"i{number}" for number in range(7)]
    images = images_of(**dict.fromkeys(names, (height, width)), huge=(10**5, 10**5), odd=(0, 0))
    context = Context({"some": images}, {neural.name: neural}, "r", 60.0, device=Device("cpu", ""))
    tasks = [Task(Shot("some", name, CLEAN, 0), ((neural.name, neural.points[0]),)) for name in [*names, "huge", "odd"]]
    assert [len(batch.shots) for batch in divided(tasks, context)[1]] == [3, 3, 1, 1, 1]


def test_a_batch_taken_apart_has_one_shot_each() -> None:
    shots = tuple(Shot("some", name, CLEAN, 0) for name in "ab")
    batch = Batch(shots, (("codec", Point("p")),))
    assert [Batch((shot,), batch.points, alone=True) for shot in shots] == list(batch.parts())
