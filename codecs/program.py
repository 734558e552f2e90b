"""Codecs that are programs: a command that makes a stream of a picture, and one that makes a picture of the stream."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import string
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from types import FrameType
from typing import Any

import numpy as np
import PIL.Image

from . import colour, header
from .protocol import CodecError, CodecUnavailable, DecodeError, Image

TIME_LIMIT = 240.0
"""Seconds that one command may take where its codec says nothing else."""


@dataclass(frozen=True, slots=True)
class Picture:
    """How pixels go to a program and come back: the suffix of the file, and the two conversions.

    `read` is told the width, which raw pixels do not tell.
    """

    suffix: str
    write: Callable[[Image], bytes]
    read: Callable[[bytes, int], Image]


def _write_file(format_: str) -> Callable[[Image], bytes]:
    def write(image: Image) -> bytes:
        buffer = io.BytesIO()
        PIL.Image.fromarray(image).save(buffer, format_, **({"compress_level": 1} if format_ == "PNG" else {}))
        return buffer.getvalue()

    return write


def _read_file(data: bytes, _width: int) -> Image:
    with PIL.Image.open(io.BytesIO(data), formats=["PNG", "PPM"]) as picture:
        return np.array(picture.convert("RGB"))


def _planes(bits: int) -> Picture:
    return Picture(
        ".yuv",
        lambda image: colour.to_planes(image, bits),
        lambda data, width: colour.from_planes(data, width, bits),
    )


PICTURES: Mapping[str, Picture] = {
    "png": Picture(".png", _write_file("PNG"), _read_file),
    "ppm": Picture(".ppm", _write_file("PPM"), _read_file),
    "rgb24": Picture(
        ".rgb",
        lambda image: image.tobytes(),
        lambda data, width: np.frombuffer(data, np.uint8).reshape(-1, width, 3).copy(),
    ),
    "yuv444p": _planes(8),
    "yuv444p10le": _planes(10),
}
"""By name: files that know their size, raw RGB bytes, and raw planes of full-range BT.601, named as ffmpeg does."""


@dataclass(frozen=True, slots=True)
class Program:
    """Two commands, each a list of arguments, the first of which names a program (see `executable`).

    In an argument, {input} and {output} stand for the paths of files in a private folder, {width} and {height} for the
    size of the picture, and any other name for the operating point's parameter of that name. A command without {input}
    reads its standard input; one without {output} writes its standard output: no file, less time.

    `picture` is what encode reads and decode writes, one of PICTURES; `suffix` what the stream's file is called. `bare`
    is said of streams that do not know the size of their image: our header goes in front, and counts. Sides are
    extended, by repeating the edge, to a multiple of `multiple` and at least `minimum`; only a bare stream can be cut
    back. A command that takes more than `time_limit` seconds is ended. `env` are variables of its environment beside
    those of this process, and `folder` is where it works, "" for the private folder, or without one for that of this
    process. `overflow` is what an encoder says that has room
    only for streams of so many bits a pixel: it is then given the picture with its last row repeated below it, two and
    four times as high, and what is decoded of that is cut off.
    """

    encode: tuple[str, ...]
    decode: tuple[str, ...]
    picture: str = "png"
    suffix: str = ".bin"
    bare: bool = False
    multiple: int = 1
    minimum: int = 1
    time_limit: float = TIME_LIMIT
    overflow: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""

    @property
    def path(self) -> str | None:
        """Where its variables say that programs are looked for; None for where this process looks."""
        return self.env.get("PATH")


class Complained(CodecError):
    """A program failed; `complaint` is all that it said, of which the message holds the gist."""

    def __init__(self, message: str, complaint: str) -> None:
        super().__init__(message)
        self.complaint = complaint


class ProgramCodec:
    """A program at one operating point."""

    def __init__(self, program: Program, params: Mapping[str, Any]) -> None:
        self._program = program
        self._picture = PICTURES[program.picture]
        self._params = params
        self._encoder = executable(program.encode[0], program.path)
        self._decoder = executable(program.decode[0], program.path)

    def encode(self, image: Image) -> bytes:
        """Return the stream; raise CodecError with what the program said where it fails."""
        program, (height, width) = self._program, image.shape[:2]
        tall, wide = self._extended(height), self._extended(width)
        for rows in (tall, 2 * tall, 4 * tall):
            picture = np.pad(image, ((0, rows - height), (0, wide - width), (0, 0)), mode="edge")
            sent = (self._picture.write(picture), self._picture.suffix, program.suffix)
            try:
                data = self._work(self._encoder, program.encode[1:], sent, rows, wide)
                break
            except Complained as error:
                if not program.overflow or program.overflow not in error.complaint or rows == 4 * tall:
                    raise
        if not data:
            raise CodecError(f"{Path(self._encoder).name} made an empty stream")
        return header.pack(height, width, data) if program.bare else data

    def decode(self, data: bytes) -> Image:
        """Return the picture; raise DecodeError where the program fails or makes another picture than the size says."""
        program, height, width = self._program, 0, 0
        if program.bare:
            height, width, data = header.unpack(data)
        tall, wide = self._extended(height), self._extended(width)
        sent = (data, program.suffix, self._picture.suffix)
        try:
            image = self._picture.read(self._work(self._decoder, program.decode[1:], sent, tall, wide), wide)
        except Exception as error:  # whatever a damaged stream makes of the program's answer
            raise DecodeError(str(error)) from error
        if not program.bare:
            return image
        if image.shape[1] != wide or image.shape[0] not in {tall, 2 * tall, 4 * tall}:
            raise DecodeError(f"expected {wide}x{tall} pixels, got {image.shape[1]}x{image.shape[0]}")
        return np.ascontiguousarray(image[:height, :width])

    def _extended(self, side: int) -> int:
        multiple = self._program.multiple
        return -(-max(side, self._program.minimum) // multiple) * multiple

    def _work(
        self, program: str, arguments: tuple[str, ...], sent: tuple[bytes, str, str], height: int, width: int
    ) -> bytes:
        """Return what a command makes of the bytes sent, through pipes, or where it names them through files."""
        data, suffix, suffix_back = sent
        names = {name for argument in arguments for name in names_in(argument)}
        reads, writes = "input" in names, "output" in names
        known = {**self._params, "width": width, "height": height}
        if not reads and not writes:
            command = [program, *(argument.format_map(known) for argument in arguments)]
            return _run(command, data, self._program, self._program.folder or None)
        with _ending_with_us(), tempfile.TemporaryDirectory(prefix="codecshift-") as folder:
            source, target = Path(folder, f"in{suffix}"), Path(folder, f"out{suffix_back}")
            if reads:
                source.write_bytes(data)
            known |= {"input": str(source), "output": str(target)}
            command = [program, *(argument.format_map(known) for argument in arguments)]
            output = _run(command, b"" if reads else data, self._program, self._program.folder or folder)
            if not writes:
                return output
            if not target.is_file():
                raise CodecError(f"{Path(program).name} ended well and wrote nothing")
            return target.read_bytes()


def names_in(argument: str) -> set[str]:
    """Return the names in braces of an argument; raise ValueError where a brace is left open."""
    return {name for _, name, *_ in string.Formatter().parse(argument) if name is not None}


def _run(command: list[str], data: bytes, program: Program, folder: str | None) -> bytes:
    """Return a command's standard output; raise CodecError, with its messages, unless it exits with 0."""
    name, pipe = Path(command[0]).name, subprocess.PIPE
    with _ending_with_us():
        try:
            # In a session of its own Ctrl-C does not reach it, and whatever it starts can be ended with it.
            process = subprocess.Popen(
                command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                cwd=folder,
                env={**os.environ, **program.env},
                start_new_session=True,
            )
        except OSError as error:
            raise CodecError(f"{name} cannot be started: {error.strerror}") from error
        try:
            output, complaint = process.communicate(data, program.time_limit)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CodecError(f"{name} gave no answer within {program.time_limit:g} s") from None
            raise
    if process.returncode:
        code = process.returncode
        ended = f"died of {_signal(-code)}" if code < 0 else f"exit code {code}"
        # Some programs, VVenC among them, put their complaints on standard output.
        text = (complaint.strip() or output.strip()).decode("utf-8", "replace")
        raise Complained(f"{name}: {ended}" + (f": {_gist(text)}" if text else ""), text)
    return output


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.communicate()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _gist(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Of a long complaint the first lines tell the cause, or where it is a traceback, the last.
    if len(lines) > 4:
        lines = [*lines[:2], "...", *lines[-2:]]
    share = _LONGEST // max(1, len(lines))
    whole = " | ".join(lines)
    return whole if len(whole) <= _LONGEST else " | ".join(shorten(line, share, placeholder=" ...") for line in lines)


_LONGEST = 400  # characters of a complaint


class _Stopped(BaseException):
    """A signal that would have ended this process came while a program ran."""


@contextmanager
def _ending_with_us() -> Iterator[None]:
    """Before a signal ends this process, end the program it waits for and remove its folder."""
    names = ("SIGTERM", "SIGALRM") if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    deadly = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]

    def stop(number: int, _frame: FrameType | None) -> None:
        raise _Stopped(number)

    for number in deadly:
        signal.signal(number, stop)
    try:
        yield
    except _Stopped as stopped:
        if not deadly:
            raise  # an outer block of this kind took the signal, and ends the process when it has cleaned up
        signal.signal(stopped.args[0], signal.SIG_DFL)
        os.kill(os.getpid(), stopped.args[0])
    finally:
        for number in deadly:
            signal.signal(number, signal.SIG_DFL)


def executable(name: str, path: str | None = None) -> str:
    """Return the path of a program; raise CodecUnavailable, naming the places, where it is in none of them.

    A path is taken as it is. A name is looked up in the environment variable CODECSHIFT_<NAME>, for example
    CODECSHIFT_BPGENC, then for "ffmpeg" inside the package imageio-ffmpeg, then on `path`, by default PATH.
    """
    variable = "CODECSHIFT_" + re.sub(r"\W", "_", name).upper()
    if os.sep in name:
        named, where = name, name
    elif variable in os.environ:
        named, where = os.environ[variable], f"{os.environ[variable]}, which {variable} names"
    else:
        named, where = _bundled(name) or name, f"{name} on PATH or named by {variable}"
    program = shutil.which(named, path=path)
    if program is None:
        raise CodecUnavailable(f"no program {where}")
    return program


def _bundled(name: str) -> str | None:
    if name != "ffmpeg":
        return None
    import imageio_ffmpeg  # noqa: PLC0415 - only wanted where a codec is opened

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return None


@contextmanager
def opened(program: Program, /, **params: int | float | str) -> Iterator[ProgramCodec]:
    """Open a program at an operating point; raise CodecUnavailable where it is not on this machine."""
    yield ProgramCodec(program, params)


def answer(name: str, *arguments: str, env: Mapping[str, str] | None = None, folder: str = "") -> str:
    """Return what a program prints when asked something, standard error included; raise CodecUnavailable.

    `env` are variables beside those of this process, and `folder` is where the program works, "" for anywhere.
    """
    env = env or {}
    command = [executable(name, env.get("PATH")), *arguments]
    around = {**os.environ, **env}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
            check=False,
            env=around,
            cwd=folder or None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CodecUnavailable(f"{name} does not run: {error}") from error
    return (done.stdout + done.stderr).decode("utf-8", "replace")
