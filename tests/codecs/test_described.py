"""A TOML file makes a codec, and one that does not is refused with the key and what was expected."""

import os
import re
import sys
from pathlib import Path

import pytest
from codecshift.codecs import contract
from codecshift.codecs.described import BadDescription, describe
from codecshift.codecs.protocol import CodecUnavailable, Spec
from codecshift.codecs.registry import UnknownCodec, find, identify, open_codec

SCRIPT = """
import sys, zlib
mode, *rest = sys.argv[1:]
data = sys.stdin.buffer.read()
if mode == "version":
    print("packer 2.1")
elif mode == "encode":
    step = int(rest[0])
    packed = zlib.compress(bytes(value // step * step for value in data))
    sys.stdout.buffer.write(zlib.crc32(packed).to_bytes(4, "big") + packed)
else:
    if zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
        sys.exit("damaged")
    sys.stdout.buffer.write(zlib.decompress(data[4:]))
"""
FILE = f"""
name = "packer"
encode = ['{sys.executable}', "{{here}}/packer.py", "encode", "{{step}}"]
decode = ['{sys.executable}', "{{here}}/packer.py", "decode"]
version = ['{sys.executable}', "{{here}}/packer.py", "version"]
picture = "rgb24"
bare = true
points = [64, 16, 4]
scale = {{ prefix = "s", parameter = "step", low = 1, high = 128, rising = false }}
chroma = "4:4:4"
colour = "RGB"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "packer.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "packer.toml").write_text(FILE, encoding="utf-8")
    return tmp_path / "packer.toml"


def rewritten(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_the_codec_is_as_described(path: Path) -> None:
    spec = describe(path)
    assert [point.name for point in spec.points] == ["s64", "s16", "s4"]
    assert (spec.name, spec.chroma, spec.colour, spec.process, spec.bit_depth) == ("packer", "4:4:4", "RGB", True, 8)
    assert "packer.py encode {step}" in spec.settings
    assert identify(spec).startswith("packer 2.1, described by ")


def test_the_codec_obeys_the_laws(path: Path) -> None:
    spec = describe(path)
    assert [verdict for verdict in contract.check(spec, spec.points[:1]) if verdict.fault] == []


def test_any_value_of_its_scale_is_a_point(path: Path) -> None:
    spec = describe(path)
    found, (point,) = find("packer:s33", [spec])
    assert found == spec
    with open_codec(spec, point) as codec:
        assert codec.decode(codec.encode(contract.example(4, 4))).shape == (4, 4, 3)
    with pytest.raises(UnknownCodec, match="expected s1 to s128 in whole steps"):
        find("packer:s200", [spec])
    with pytest.raises(UnknownCodec, match="unknown codec 'packer'"):
        find("packer")


def test_points_may_be_tables(path: Path) -> None:
    rewritten(path, "points = [64, 16, 4]", 'points = [{ name = "coarse", step = 64 }, { name = "fine", step = 2 }]')
    spec = describe(rewritten(path, "scale =", "# scale ="))
    with open_codec(spec, spec.points[1]) as codec:
        assert codec.decode(codec.encode(contract.example(4, 4))).shape == (4, 4, 3)
    assert [point.name for point in spec.points] == ["coarse", "fine"]


def test_another_text_is_another_codec_to_the_tables(path: Path) -> None:
    before = identify(describe(path))
    assert identify(describe(rewritten(path, "RGB", "rgb"))) != before


def test_a_file_that_changes_during_a_run_is_noticed(path: Path) -> None:
    spec = describe(path)
    rewritten(path, "encode", "encode")
    with open_codec(spec, spec.points[0]):
        pass
    rewritten(path, "[64, 16, 4]", "[64, 16, 8]")
    changed = pytest.raises(CodecUnavailable, match=r"packer.toml has changed since the run began")
    with changed, open_codec(spec, spec.points[0]):
        pass
    with pytest.raises(CodecUnavailable, match="has changed"):
        identify(spec)


@pytest.mark.parametrize("folder", ["run {v1}", "{}", "}{", "{here}", "{{twice}}", "{0!r:>8}"])
def test_braces_in_the_path_of_the_file_are_letters_like_any_others(folder: str, path: Path) -> None:
    """In the program, in its arguments, and in the command that tells the version."""
    place = path.parent / folder
    place.mkdir()
    for name in ("packer.py", "packer.toml"):
        path.with_name(name).rename(place / name)
    (place / "python").write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n", encoding="utf-8")
    (place / "python").chmod(0o755)
    for command in ("encode", "decode", "version"):
        rewritten(place / "packer.toml", f"{command} = ['{sys.executable}'", f"{command} = ['{{here}}/python'")
    spec = describe(place / "packer.toml")
    assert identify(spec).startswith("packer 2.1, described by ")
    with open_codec(spec, spec.points[0]) as codec:
        assert codec.decode(codec.encode(contract.example(4, 4))).shape == (4, 4, 3)


def test_a_doubled_brace_stands_for_a_brace(path: Path) -> None:
    """`{{here}}` too: it is no name, and neither is `{{input}}`."""
    rewritten(path, '"decode"]', '"decode", "{{here}}", "{{input}}", "{{output}}"]')
    spec = describe(path)
    with open_codec(spec, spec.points[0]) as codec:
        assert codec.decode(codec.encode(contract.example(4, 4))).shape == (4, 4, 3)


def test_a_program_that_is_not_there_is_named(path: Path) -> None:
    spec = describe(rewritten(path, f"decode = ['{sys.executable}'", "decode = ['a-program-that-nobody-wrote'"))
    with pytest.raises(CodecUnavailable, match="no program a-program-that-nobody-wrote on PATH"):
        identify(spec)


def test_a_program_beside_the_file_is_found(path: Path) -> None:
    (path.parent / "run.sh").write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n", encoding="utf-8")
    (path.parent / "run.sh").chmod(0o755)
    spec: Spec = describe(rewritten(path, f"encode = ['{sys.executable}'", "encode = ['./run.sh'"))
    with open_codec(spec, spec.points[0]) as codec:
        assert codec.decode(codec.encode(contract.example(4, 4))).shape == (4, 4, 3)


SURROUNDED = """
import os, sys
asked = {"place": os.getcwd(), "name": os.environ["SURROUNDED"], "path": os.environ["PATH"]}[os.environ["ASKED"]]
data = sys.stdin.buffer.read()
if sys.argv[1] == "version":
    print(asked[-60:])
else:
    # What the program sees around it, in front of the picture: that of encode, or that of decode in place of it.
    sys.stdout.buffer.write(asked.encode() + b"|" + data if sys.argv[1] == "encode" else data.partition(b"|")[2])
"""


@pytest.mark.parametrize("pipe", [True, False], ids=["pipe", "file"])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [("place", "{here}/sub"), ("name", "{here}/set {by} file"), ("path", os.environ["PATH"])],
    ids=["folder", "variable", "inherited"],
)
def test_a_program_gets_its_folder_and_its_variables(asked: str, expected: str, pipe: bool, path: Path) -> None:
    """Its variables join those of the process."""
    (path.parent / "sub").mkdir()
    (path.parent / "packer.py").write_text(SURROUNDED, encoding="utf-8")
    text = f'''
        name = "packer"
        kind = "neural"
        encode = ['{sys.executable}', "{{here}}/packer.py", "encode"{"" if pipe else ', "{input}"'}]
        decode = ['{sys.executable}', "{{here}}/packer.py", "decode"]
        version = ['{sys.executable}', "{{here}}/packer.py", "version"]
        picture = "ppm"
        folder = "sub"
        env = {{ ASKED = "{asked}", SURROUNDED = "{{here}}/set {{by}} file" }}
        points = [{{ name = "p" }}]
    '''
    path.write_text(text, encoding="utf-8")
    spec = describe(path)
    expected = expected.replace("{here}", str(path.parent))
    assert spec.kind == "neural"
    assert identify(spec).startswith(f"{expected[-60:]}, described by ")
    with open_codec(spec, spec.points[0]) as codec:
        data = codec.encode(contract.example(4, 4))
    assert data.partition(b"|")[0].decode() == expected


def test_a_program_is_looked_for_on_the_path_of_its_file(path: Path) -> None:
    (path.parent / "bin").mkdir()
    program = path.parent / "bin" / "my-packer"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n", encoding="utf-8")
    program.chmod(0o755)
    for command in ("encode", "decode", "version"):
        rewritten(path, f"{command} = ['{sys.executable}'", f"{command} = ['my-packer'")
    with pytest.raises(CodecUnavailable, match="no program my-packer on PATH"):
        identify(describe(path))
    spec = describe(rewritten(path, "bare = true", 'bare = true\nenv = { PATH = "{here}/bin" }'))
    assert identify(spec).startswith("packer 2.1, described by ")
    with open_codec(spec, spec.points[0]) as codec:
        assert codec.decode(codec.encode(contract.example(4, 4))).shape == (4, 4, 3)


@pytest.mark.parametrize("files", ['["weights"]', '["{here}/weights/a.bin", "weights/b.bin"]'], ids=["folder", "files"])
def test_another_content_of_its_files_is_another_codec(files: str, path: Path) -> None:
    weights = path.parent / "weights"
    weights.mkdir()
    for name in ("a.bin", "b.bin"):
        (weights / name).write_bytes(name.encode())
    rewritten(path, "bare = true", f"bare = true\nfiles = {files}")
    before = describe(path)
    known = identify(before)
    assert re.fullmatch(r"packer 2\.1, described by [0-9a-f]{12}, files [0-9a-f]{12}", known)
    assert identify(describe(path)) == known
    (weights / "b.bin").write_bytes(b"other")
    changed = pytest.raises(CodecUnavailable, match=r"packer.toml, or a file it names, has changed since the run began")
    with changed, open_codec(before, before.points[0]):
        pass
    assert identify(describe(path)) != known
    assert identify(describe(path)).partition(", files")[0] == known.partition(", files")[0]


def test_a_file_of_another_name_in_its_folder_is_another_codec(path: Path) -> None:
    (path.parent / "weights").mkdir()
    (path.parent / "weights" / "a.bin").write_bytes(b"a")
    rewritten(path, "bare = true", 'bare = true\nfiles = ["weights"]')
    before = identify(describe(path))
    (path.parent / "weights" / "a.bin").rename(path.parent / "weights" / "b.bin")
    assert identify(describe(path)) != before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "packer"', "", "expected the key 'name'"),
        ('name = "packer"', 'name = "a:b"', "expected a codec name without colon, comma, slash, @ or space, got 'a:b'"),
        ('name = "packer"', "name = 3", "name = 3: expected text"),
        ("points = [64, 16, 4]", "points = []", "expected the key 'points'"),
        ("points = [64, 16, 4]", "points = [200]", "expected s1 to s128 in whole steps, got 200"),
        ("points = [64, 16, 4]", "points = [4, 4]", "two points have the same name"),
        ("points = [64, 16, 4]", "points = ['a']", "expected values on a scale, or tables like"),
        ("points = [64, 16, 4]", "points = [{ step = 3 }]", "points: expected a name in"),
        (
            "points = [64, 16, 4]",
            "points = [{ name = 'x', step = 3, input = 2 }]",
            r"points: 'input' is a built-in placeholder of commands \(height, here, input, output, width\)",
        ),
        ('parameter = "step"', 'parameter = "width"', "scale: 'width' is a built-in placeholder of commands"),
        (
            "points = [64, 16, 4]",
            "points = [{ name = 'x' }]",
            r"encode: got \{step\}, expected one of height, here, input",
        ),
        ("scale = {", "scael = {", r"unknown key 'scael': expected .* \(did you mean 'scale'\?\)"),
        ("low = 1, ", "", "scale: expected the key 'low'"),
        ("low = 1", "low = true", "low = True: expected a number"),
        ("{step}", "{level}", r"encode: got \{level\}, expected one of .*step"),
        ("{step}", "{step", "expected '}' before end of string"),
        ("bare = true", "bare = false", r"picture = 'rgb24' does not store its size: set bare = true"),
        ('picture = "rgb24"', 'picture = "bmp"', "picture = 'bmp': expected one of png, ppm, rgb24"),
        ("bare = true", "bare = true\nmultiple = 0", "expected multiple, minimum and time_limit above 0"),
        ('"decode"]', '"decode", 3]', "decode: expected a list of strings"),
        ("bare = true", 'bare = true\nkind = "learned"', "kind = 'learned': expected classical or neural"),
        ("bare = true", 'bare = true\nknd = "neural"', r"unknown key 'knd': .* \(did you mean 'kind'\?\)"),
        ("bare = true", "bare = true\nenv = 'A=1'", "env = 'A=1': expected a table"),
        ("bare = true", "bare = true\nenv = { A = 1 }", r"env: expected text for A, such as A = '1', got 1"),
        ("bare = true", "bare = true\nenv = { 'A=B' = 'x' }", "env: expected the name of a variable, got 'A=B'"),
        ("bare = true", 'bare = true\nenv = { A = "a\\u0000b" }', "env: expected text for A without a zero byte"),
        ("bare = true", "bare = true\nfolder = 'gone'", "folder = 'gone': there is no such folder next to the file"),
        ("bare = true", "bare = true\nfiles = ['gone']", "files: there is no file or folder 'gone' next to the file"),
        ("bare = true", "bare = true\nfiles = []", r"files: expected a list of paths such as \['weights.pth'\]"),
        ("bare = true", "bare = true\nfiles = [3]", r"files: expected a list of paths such as \['weights.pth'\]"),
        ("bare = true", "bare = true\nfiles = 'a'", "files = 'a': expected a list"),
        ("name =", "name = = ", "is not TOML"),
    ],
    ids=range(32),
)
def test_what_is_wrong_in_a_file_is_told(path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(BadDescription, match=message) as told:
        describe(rewritten(path, old, new))
    assert "packer.toml" in str(told.value)


def test_sizes_are_for_bare_streams(path: Path) -> None:
    rewritten(path, 'picture = "rgb24"\nbare = true', 'picture = "png"\nmultiple = 8')
    with pytest.raises(BadDescription, match="multiple and minimum need bare = true"):
        describe(path)
    rewritten(path, "multiple = 8", "")
    rewritten(path, '"decode"]', '"decode", "{width}"]')
    with pytest.raises(BadDescription, match=r"decode: \{width\} is only known with bare = true"):
        describe(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadDescription, match=r"gone.toml cannot be read: No such file"):
        describe(tmp_path / "gone.toml")
