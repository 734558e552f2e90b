"""A set's digest and names say nothing of the machine; views are centre crops."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from codecshift.corruptions.pixels import UnreadableImage
from codecshift.corruptions.sets import ImageSet, SetError, UnknownSet, View, open_set

NOWHERE = Path("/nonexistent/data")


def noise(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(image).save(path)
    return path


def ids(images: ImageSet) -> list[str]:
    return [source.id for source in images.sources]


def test_the_digest_is_of_content_ids_and_view_and_not_of_place(tmp_path: Path) -> None:
    for root in ("one", "two/other name"):
        save(tmp_path / root / "a.png", noise(1, 40, 50))
        save(tmp_path / root / "b.png", noise(2, 40, 50))
    one = open_set(f"folder:{tmp_path / 'one'}", NOWHERE)
    assert one.digest == open_set(f"folder:{tmp_path / 'two' / 'other name'}", NOWHERE).digest
    lines = ["view None"] + [f"{source.sha256} {source.id}" for source in one.sources]
    assert hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest() == one.digest
    others = {one.digest, open_set(f"folder:{tmp_path / 'one'}@crop32x32", NOWHERE).digest}
    save(tmp_path / "one" / "b.png", noise(3, 40, 50))
    others.add(open_set(f"folder:{tmp_path / 'one'}", NOWHERE).digest)
    (tmp_path / "one" / "b.png").rename(tmp_path / "one" / "c.png")
    others.add(open_set(f"folder:{tmp_path / 'one'}", NOWHERE).digest)
    assert len(others) == 4


def test_sets_travel_to_other_processes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(1))
    images = open_set(f"folder:{tmp_path}@crop32x32", NOWHERE)
    again = pickle.loads(pickle.dumps(images))  # noqa: S301 - our own bytes
    assert again == images
    np.testing.assert_array_equal(images.load("a"), again.load("a"))
    np.testing.assert_array_equal(images.load("a"), again.sources[0].load(again.view))


@pytest.mark.parametrize(
    "error",
    [UnknownSet("kodk", ("kodak",)), SetError("no"), UnreadableImage("no")],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_to_other_processes(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (type(error), str(error))


def test_a_file_that_changes_after_opening_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noise(1))
    images = open_set(f"folder:{tmp_path}", NOWHERE)
    save(path, noise(2))
    with pytest.raises(SetError, match=r"^a\.png has changed since the set was opened$"):
        images.load("a")
    path.unlink()
    with pytest.raises(UnreadableImage, match=r"^a\.png: No such file or directory$"):
        images.load("a")


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(SetError, match=r"^sample has no image 'astronout'; did you mean 'astronaut'\?$"):
        open_set("sample", NOWHERE).load("astronout")
    with pytest.raises(SetError, match=r"^sample has no image 'zzz'$"):
        open_set("sample", NOWHERE).load("zzz")


def test_a_part_of_a_set_is_of_that_set(tmp_path: Path) -> None:
    """What an image is does not depend on which others are looked at, so rows of a part and of the whole agree."""
    for number, name in enumerate("abc"):
        save(tmp_path / f"{name}.png", noise(number))
    whole = open_set(f"folder:{tmp_path}", NOWHERE)
    part = whole.part([whole.sources[2], whole.sources[0]])
    assert (ids(part), part.name, part.digest) == (["a", "c"], whole.name, whole.digest)
    assert (ids(part.part(part.sources[:1])), part.part(part.sources[:1]).digest) == (["a"], whole.digest)
    np.testing.assert_array_equal(part.load("c"), whole.load("c"))
    with pytest.raises(SetError, match="has no image 'b'"):
        part.load("b")


# --- views


@pytest.mark.parametrize(
    ("shape", "view", "expected"),
    [
        pytest.param((6, 8), View(4, 6), lambda x: x[1:5, 1:7], id="landscape"),
        pytest.param((8, 6), View(4, 6), lambda x: np.rot90(x)[1:5, 1:7], id="portrait is turned"),
        pytest.param((6, 8), View(6, 4), lambda x: np.rot90(x)[1:7, 1:5], id="landscape under a portrait crop"),
        pytest.param((8, 6), View(4, 4), lambda x: x[2:6, 1:5], id="square crop turns nothing"),
        pytest.param((6, 6), View(4, 6), lambda x: x[1:5], id="square image is not turned"),
        pytest.param((7, 9), View(4, 6), lambda x: x[1:5, 1:7], id="odd margins: the larger half goes at the end"),
        pytest.param((4, 6), View(4, 6), lambda x: x, id="exact"),
    ],
)
def test_a_view_is_the_centre(shape: tuple[int, int], view: View, expected: object) -> None:
    image = noise(1, *shape)
    actual = view.apply(image)
    np.testing.assert_array_equal(expected(image), actual)
    assert actual.flags.c_contiguous
    assert not np.shares_memory(actual, image)


def test_the_first_row_of_a_turned_portrait_is_its_right_edge() -> None:
    portrait = noise(1, 8, 6)
    np.testing.assert_array_equal(portrait[:, -1], View(6, 8).apply(portrait)[0])


def test_a_view_refuses_what_is_too_small() -> None:
    with pytest.raises(SetError, match=r"^700x500 is smaller than the crop of 768x512 \(width x height\)$"):
        View(512, 768).apply(np.zeros((500, 700, 3), np.uint8))
