"""Programs get what their templates say, by pipe or file, and whatever they do wrong is told and leaves nothing."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from codecshift.codecs.contract import example
from codecshift.codecs.program import PICTURES, Program, ProgramCodec, answer, executable
from codecshift.codecs.protocol import CodecError, CodecUnavailable, DecodeError

PYTHON = sys.executable
COPY = (PYTHON, "-c", "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)")
COPY_FILE = (PYTHON, "-c", "import sys, shutil; shutil.copyfile(*sys.argv[1:])", "{input}", "{output}")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary folders are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def saying(code: str) -> tuple[str, ...]:
    return (PYTHON, "-c", code)


# --- pictures


@pytest.mark.parametrize("name", ["png", "ppm", "rgb24"])
def test_a_lossless_picture_comes_back(name: str) -> None:
    image = example(17, 33)
    picture = PICTURES[name]
    np.testing.assert_array_equal(picture.read(picture.write(image), 33), image)


@pytest.mark.parametrize("encode", [COPY, COPY_FILE], ids=["pipe", "file"])
@pytest.mark.parametrize("decode", [COPY, COPY_FILE], ids=["pipe", "file"])
@pytest.mark.parametrize("picture", ["png", "ppm", "rgb24"])
def test_pipes_and_files_carry_any_picture(
    encode: tuple[str, ...], decode: tuple[str, ...], picture: str, temporary: Path
) -> None:
    bare = picture == "rgb24"
    codec = ProgramCodec(Program(encode, decode, picture=picture, bare=bare), {})
    for image in (example(1, 1), example(40, 161)):
        data = codec.encode(image)
        np.testing.assert_array_equal(codec.decode(data), image)
        assert not bare or len(data) <= image.size + 9
    assert list(temporary.iterdir()) == []


def test_one_end_may_be_a_file_and_the_other_a_pipe() -> None:
    reads = (PYTHON, "-c", "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())", "{input}")
    writes = (PYTHON, "-c", "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())", "{output}")
    codec = ProgramCodec(Program(reads, writes), {})
    np.testing.assert_array_equal(codec.decode(codec.encode(example(9, 8))), example(9, 8))


# --- arguments


def test_arguments_are_filled_in_and_meet_no_shell() -> None:
    arguments = ("$(exit 3) `x` ; a b", "q={quality}", "{width}x{height}", "{{}}")
    code = "import sys; sys.stdin.buffer.read(); print('|'.join(sys.argv[1:]), end='')"
    codec = ProgramCodec(Program((PYTHON, "-c", code, *arguments), COPY), {"quality": 7})
    assert codec.encode(example(5, 9)) == b"$(exit 3) `x` ; a b|q=7|9x5|{}"


def test_files_have_the_suffixes_asked_for_and_a_folder_of_their_own(temporary: Path) -> None:
    code = "import sys; open(sys.argv[2], 'w').write(' '.join(sys.argv[1:]))"
    codec = ProgramCodec(Program((PYTHON, "-c", code, "{input}", "{output}"), COPY, picture="ppm", suffix=".hm"), {})
    source, target = map(Path, codec.encode(example(5, 9)).decode().split())
    assert (source.suffix, target.suffix) == (".ppm", ".hm")
    assert source.parent == target.parent
    assert source.parent.parent == temporary
    assert not source.parent.exists()


# --- sizes


@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 33), (16, 32), (31, 8)])
def test_sides_are_extended_and_cut_back(height: int, width: int) -> None:
    code = (
        "import sys; h, w = map(int, sys.argv[1:]); data = sys.stdin.buffer.read(); "
        "assert len(data) == 3 * h * w and h % 8 == w % 8 == 0 and min(h, w) >= 16; sys.stdout.buffer.write(data)"
    )
    command = (PYTHON, "-c", code, "{height}", "{width}")
    codec = ProgramCodec(Program(command, command, picture="rgb24", bare=True, multiple=8, minimum=16), {})
    image = example(height, width)
    np.testing.assert_array_equal(codec.decode(codec.encode(image)), image)


def test_edges_are_repeated() -> None:
    codec = ProgramCodec(Program(COPY, COPY, picture="rgb24", bare=True, multiple=4), {})
    image = example(3, 3)
    data = codec.encode(image)
    whole = np.frombuffer(data[-48:], np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(whole[:3, 3], image[:, 2])
    np.testing.assert_array_equal(whole[3, :3], image[2])


def test_an_encoder_short_of_room_gets_the_picture_higher() -> None:
    """It has room for a byte a pixel, and makes three bytes of each pixel that is not as the one above it."""
    code = (
        "import sys; h, w = map(int, sys.argv[1:]); data = sys.stdin.buffer.read(); rows = h\n"
        "while rows > 1 and data[3*w*(rows-1):3*w*rows] == data[3*w*(rows-2):3*w*(rows-1)]: rows -= 1\n"
        "if 3 * w * rows > h * w: sys.exit('no room')\n"
        "sys.stdout.buffer.write(h.to_bytes(2, 'big') + data[:3 * w * rows])"
    )
    back = (
        "import sys; w = int(sys.argv[1]); data = sys.stdin.buffer.read(); h = int.from_bytes(data[:2], 'big')\n"
        "data = data[2:]; sys.stdout.buffer.write(data + (h - len(data) // (3 * w)) * data[-3 * w:])"
    )
    encode, decode = (PYTHON, "-c", code, "{height}", "{width}"), (PYTHON, "-c", back, "{width}")
    codec = ProgramCodec(Program(encode, decode, picture="rgb24", bare=True, overflow="no room"), {})
    for image in (np.zeros((8, 5, 3), np.uint8), example(8, 5)):
        np.testing.assert_array_equal(codec.decode(codec.encode(image)), image)
    rigid = ProgramCodec(Program(encode, decode, picture="rgb24", bare=True), {})
    with pytest.raises(CodecError, match="no room"):
        rigid.encode(example(8, 5))


# --- what programs do wrong


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (saying("import sys; sys.exit('out of\\n\\n luck')"), r"python\S*: exit code 1: out of \| luck$"),
        (saying("import sys; print('by standard output'); sys.exit(4)"), r"exit code 4: by standard output$"),
        (saying("raise SystemExit(7)"), r"exit code 7$"),
        (saying("import os; os.kill(os.getpid(), 9)"), r"died of SIGKILL$"),
        (saying("import ctypes; ctypes.string_at(0)"), r"died of SIGSEGV"),
        (saying("pass"), r"wrote an empty stream$"),
        ((*saying("pass"), "{output}"), r"ended with exit code 0 but wrote no output file$"),
        (saying("import time; time.sleep(60)"), r"did not finish within 0.3 s$"),
    ],
    ids=["complains", "complains-elsewhere", "fails", "is-killed", "crashes", "is-silent", "writes-nothing", "hangs"],
)
def test_a_program_that_fails_to_encode_says_how(command: tuple[str, ...], message: str, temporary: Path) -> None:
    limit = 0.3 if "sleep" in command[2] else 60
    codec = ProgramCodec(Program(command, COPY, time_limit=limit), {})
    with pytest.raises(CodecError, match=message):
        codec.encode(example(64, 64))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [saying("raise SystemExit(3)"), saying("print('no picture')"), saying("pass"), (*saying("pass"), "{output}")],
    ids=["fails", "makes-something-else", "makes-nothing", "writes-nothing"],
)
@pytest.mark.parametrize("bare", [True, False], ids=["bare", "whole"])
def test_a_stream_that_does_not_decode_is_a_decode_error(command: tuple[str, ...], bare: bool) -> None:
    codec = ProgramCodec(Program(COPY, command, picture="png", bare=bare), {})
    with pytest.raises(DecodeError):
        codec.decode(codec.encode(example(4, 4)))


def test_a_picture_of_another_size_is_a_decode_error() -> None:
    half = (PYTHON, "-c", "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data[:len(data) // 2])")
    codec = ProgramCodec(Program(COPY, half, picture="rgb24", bare=True), {})
    with pytest.raises(DecodeError, match="expected 6x4 pixels, got 6x2"):
        codec.decode(codec.encode(example(4, 6)))


def test_a_long_complaint_is_cut_to_its_ends() -> None:
    code = "import sys; sys.exit('the cause\\nsecond\\n' + 'noise\\n' * 500 + 'last but one\\nthe end')"
    with pytest.raises(CodecError, match=r"the cause \| second \| \.\.\. \| last but one \| the end$"):
        ProgramCodec(Program(saying(code), COPY), {}).encode(example(2, 2))


def test_a_complaint_is_cut_between_words_and_says_so() -> None:
    words = " ".join(f"word{number}" for number in range(400))
    with pytest.raises(CodecError, match=r"exit code 1: word0 word1 ") as told:
        ProgramCodec(Program(saying(f"import sys; sys.exit({words!r})"), COPY), {}).encode(example(2, 2))
    shown = str(told.value).partition("exit code 1: ")[2]
    assert len(shown) <= 400
    assert shown.endswith(" ...")
    assert set(shown.split()[:-1]) <= set(words.split())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGALRM], ids=["SIGTERM", "SIGALRM"])
@pytest.mark.parametrize("files", [False, True], ids=["pipe", "file"])
def test_a_process_that_is_ended_ends_its_program_and_leaves_nothing(
    number: signal.Signals, files: bool, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    command = saying(f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    command = (*command, "{input}") if files else command
    folder = tmp_path / "temporary"
    folder.mkdir()
    code = (
        "from codecshift.codecs.program import Program, ProgramCodec\n"
        "from codecshift.codecs.contract import example\n"
        f"ProgramCodec(Program({command!r}, {COPY!r}), {{}}).encode(example(9, 9))"
    )
    parent = subprocess.Popen([PYTHON, "-c", code], env={**os.environ, "TMPDIR": str(folder)})
    until = time.monotonic() + 60
    while not (mark.exists() and mark.read_text(encoding="utf-8")) and time.monotonic() < until:
        time.sleep(0.02)
    assert bool(list(folder.iterdir())) == files
    parent.send_signal(number)
    assert parent.wait(30) == -number
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text(encoding="utf-8")), 0)
    assert list(folder.iterdir()) == []


def test_what_a_program_has_started_ends_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    grandchild = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    with pytest.raises(CodecError, match="did not finish within 4 s"):
        ProgramCodec(Program(saying(code), COPY, time_limit=4), {}).encode(example(4, 4))
    state = Path(f"/proc/{int(mark.read_text(encoding='utf-8'))}/stat")
    until = time.monotonic() + 20  # it was told to end, and is not ours to wait for

    def ended() -> bool:
        try:
            return state.read_text(encoding="utf-8").split()[2] == "Z"  # dead, and not yet collected by init
        except (FileNotFoundError, ProcessLookupError):
            return True

    while not ended() and time.monotonic() < until:
        time.sleep(0.02)
    assert ended()


def test_an_interrupt_from_the_terminal_does_not_reach_a_program(tmp_path: Path) -> None:
    """Else it would fail, and its row with it, while the run is being stopped."""
    code = "import os, sys; sys.stdout.write(str(os.getpgid(0)))"
    assert int(ProgramCodec(Program(saying(code), COPY), {}).encode(example(4, 4))) != os.getpgid(0)


def test_signals_are_as_before_when_a_program_has_run() -> None:
    ProgramCodec(Program(COPY, COPY), {}).encode(example(4, 4))
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# --- where programs are


def test_a_program_is_found_by_path_by_variable_and_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "my-codec"
    program.write_text("#!/bin/sh\necho version 3\n", encoding="utf-8")
    program.chmod(0o755)
    assert executable(str(program)) == str(program)
    with pytest.raises(CodecUnavailable, match="no program my-codec on PATH or named by CODECSHIFT_MY_CODEC"):
        executable("my-codec")
    monkeypatch.setenv("CODECSHIFT_MY_CODEC", str(program))
    assert executable("my-codec") == str(program)
    assert answer("my-codec") == "version 3\n"
    monkeypatch.setenv("CODECSHIFT_MY_CODEC", str(tmp_path / "gone"))
    with pytest.raises(CodecUnavailable, match=r"no program .*/gone, which CODECSHIFT_MY_CODEC names"):
        executable("my-codec")
    monkeypatch.delenv("CODECSHIFT_MY_CODEC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert executable("my-codec") == str(program)


def test_a_codec_without_its_program_cannot_be_opened() -> None:
    with pytest.raises(CodecUnavailable, match="no program a-decoder-that-nobody-wrote on PATH"):
        ProgramCodec(Program(COPY, ("a-decoder-that-nobody-wrote",)), {})


def test_ffmpeg_is_the_bundled_one_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio_ffmpeg

    monkeypatch.delenv("CODECSHIFT_FFMPEG", raising=False)
    assert executable("ffmpeg") == imageio_ffmpeg.get_ffmpeg_exe()
    monkeypatch.setenv("CODECSHIFT_FFMPEG", PYTHON)
    assert executable("ffmpeg") == PYTHON
