"""A suggested command repeats how the rows were measured, and asks for what lacks."""

import shlex
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from codecshift.analysis.commands import Asked, measured, merged

BANDS = {"fog": "low", "snow": "low", "glass_blur": "medium", "shot_noise": "high", "spatter": "extra"}
LADDER = tuple(f"q{step}" for step in range(5))


def rows(points: tuple[str, ...] = LADDER, images: tuple[str, ...] = ("a b", "c"), **more: Any) -> pd.DataFrame:
    conditions = (("none", 0), ("fog", 1), ("fog", 3), ("snow", 1), ("spatter", 3))
    lines = [(*condition, point, image) for condition in conditions for point in points for image in images]
    table = pd.DataFrame(lines, columns=["corruption", "severity", "point", "image"])
    return table.assign(**{"set": "folder:my photos", "codec": "jpeg", **more})


def words(*more: str, table: pd.DataFrame | None = None, asked: tuple[Asked, ...] = ()) -> list[str]:
    """Return a command as a shell takes it apart, without its name."""
    command = measured(rows() if table is None else table, BANDS, "my file.sqlite", asked).run(*more)
    assert command.startswith("codecshift run ")
    return shlex.split(command)[2:]


def asked(**more: Any) -> Asked:
    return Asked(**{"plan": "quick", "sets": {"folder:my photos": "folder:../my photos"}, **more})


def test_a_command_repeats_what_the_rows_were_measured_with() -> None:
    assert words() == [
        *("--set", "folder:my photos", "--image", "a b", "--image", "c"),
        *("--corruption", "none", "--corruption", "low", "--corruption", "spatter"),
        *("--severity", "1", "--severity", "3"),
        *("--codec", "jpeg", "--out", "my file.sqlite"),
    ]


def test_what_lacks_takes_the_place_of_what_is_there() -> None:
    given = words("--corruption none --corruption high", "--codec identity")
    assert given == [
        *(
            "--set",
            "folder:my photos",
            "--image",
            "a b",
            "--image",
            "c",
            "--corruption",
            "none",
            "--corruption",
            "high",
        ),
        *("--severity", "1", "--severity", "3", "--codec", "identity", "--out", "my file.sqlite"),
    ]


def test_clean_images_have_no_severity() -> None:
    assert "--severity" not in words("--corruption none")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([{}], []),
        ([{"first": 2}], ["--images", "2"]),
        ([{"first": 1}], ["--images", "2"]),  # it was continued with more
        ([{"first": 2}, {"images": ["c"]}], ["--image", "a b", "--image", "c"]),
        ([{"first": 2}, {"plan": "heatmap"}], ["--images", "2"]),
    ],
    ids=["all", "first", "continued", "named", "heatmap"],
)
def test_images_are_those_of_the_file(records: list[dict[str, Any]], expected: list[str]) -> None:
    given = words(asked=tuple(asked(**one) for one in records))
    assert given[:2] == ["--set", "folder:../my photos"]
    assert given[2 : given.index("--corruption")] == expected


def test_a_codec_with_few_points_is_named_with_them() -> None:
    assert words(table=rows(("q50", "q80")))[-6:-2] == ["--codec", "jpeg:q50", "--codec", "jpeg:q80"]


def test_points_of_a_search_are_not_repeated() -> None:
    searched = rows(tuple(f"s{step}" for step in range(5)))
    table = pd.concat([rows(("q50",)), searched[searched["corruption"] == "none"]])
    assert words(table=table)[-4:-2] == ["--codec", "jpeg:q50"]
    assert words("--match bpp=0.5", table=table)[-6:] == [
        *("--codec", "jpeg", "--match", "bpp=0.5", "--out", "my file.sqlite")
    ]


def test_places_and_spectra_are_repeated() -> None:
    table = pd.concat([rows(codec="mine"), rows(codec="elic@ab12")])
    record = asked(
        data_dir="my data",
        codec_files={"mine": "my codec.toml"},
        codecs={"elic@ab12": ["elic@my runs/q3.safetensors"]},
        channels="rgb",
        window="hann",
    )
    given = words(table=table, asked=(record,))
    for option, value in (
        *(("--data-dir", "my data"), ("--codec-file", "my codec.toml"), ("--codec", "elic@my runs/q3.safetensors")),
        *(("--spectra", "--channels"), ("--channels", "rgb"), ("--window", "hann")),
    ):
        assert value in [after for before, after in pairwise(given) if before == option]
    assert "--codec-file" not in words("--codec identity", table=table, asked=(record,))


def test_a_heatmap_is_of_the_same_images_and_codecs() -> None:
    record = asked(data_dir="my data", first=2, channels="luminance", window="none")
    command = measured(rows(), BANDS, "k.sqlite", (record,)).heatmap()
    assert command == (
        "codecshift heatmap --set 'folder:../my photos' --images 2 --codec jpeg --data-dir 'my data' --out k.sqlite"
    )


def test_a_record_of_another_version_is_read() -> None:
    assert Asked.of({"first": 3, "unheard-of": 1}) == Asked(first=3)


def test_commands_of_the_same_images_become_one() -> None:
    first = "codecshift run --set s --image 'a b' --corruption none --codec jpeg --spectra --out r.sqlite"
    second = "codecshift run --set s --image 'a b' --corruption fog --codec webp --codec jpeg --out r.sqlite"
    waves = "codecshift heatmap --set s --image 'a b' --codec jpeg --out r.sqlite"
    other = "codecshift run --set t --corruption fog --out r.sqlite"
    conditions = "--corruption none --corruption fog --codec jpeg --codec webp --spectra"
    both = f"codecshift run --set s --image 'a b' {conditions} --out r.sqlite"
    assert merged([first, waves, second, other, first]) == [both, waves, other]
    assert merged([]) == []


def test_another_set_is_measured_on_its_own_images() -> None:
    assert "--image" not in words("--set", "kodak")
