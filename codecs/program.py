"""Codecs that are programs: one command encodes a picture to a stream, another decodes the stream to a picture."""

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
"""Seconds that one command may take by default."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A format for exchanging pixels with a program: the suffix of the file, and the two conversions.

    `read` gets the bytes and the width, because raw pixels do not store their width.
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
"""The formats by name: files that store their size, raw RGB, and raw planes of full-range BT.601 (ffmpeg's names)."""


@dataclass(frozen=True, slots=True)
class Program:
    """Two commands, each a list of arguments; the first argument names a program (see `executable`).

    In an argument, {input} and {output} stand for the paths of files in a temporary folder, {width} and {height} for
    the size of the picture, and any other name for the operating point's parameter of that name. A command without
    {input} reads its standard input. A command without {output} writes its standard output. Pipes are faster than
    files.

    `picture`, one of PICTURES, is the format that encode reads and decode writes. `suffix` is the suffix of the
    stream's file. `bare` means that streams do not store the size of their image: a header of ours in front of the
    stream does, and counts as rate. Sides are extended to a multiple of `multiple` and at least `minimum` by repeating
    the edge; this needs `bare`, because only then can the decoded image be cropped.

    A command that takes more than `time_limit` seconds is killed. `env` adds variables to the environment of the
    commands. `folder` is their working folder; "" means the temporary folder if there is one, else the current folder.

    `overflow` is the message of an encoder whose output buffer is limited to some bits per pixel. After this message
    the encoder gets the picture again, extended to two and then four times its height by repeating the last row; the
    decoded image is cropped.
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
        """The PATH to search for programs: that of `env`; None for that of this process."""
        return self.env.get("PATH")


class Complained(CodecError):
    """A program failed; `complaint` is its whole output, and the message an excerpt of it."""

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
        """Return the stream; raise CodecError, with an excerpt of the program's output, if the program fails."""
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
            raise CodecError(f"{Path(self._encoder).name} wrote an empty stream")
        return header.pack(height, width, data) if program.bare else data

    def decode(self, data: bytes) -> Image:
        """Return the picture; raise DecodeError if the program fails or returns a picture of another size."""
        program, height, width = self._program, 0, 0
        if program.bare:
            height, width, data = header.unpack(data)
        tall, wide = self._extended(height), self._extended(width)
        sent = (data, program.suffix, self._picture.suffix)
        try:
            image = self._picture.read(self._work(self._decoder, program.decode[1:], sent, tall, wide), wide)
        except Exception as error:  # a damaged stream may lead to any error
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
        """Return the output of a command for the input `sent` (bytes, suffix, suffix of the output).

        Input and output go through pipes, or through files if the command has {input} or {output}.
        """
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
                raise CodecError(f"{Path(program).name} ended with exit code 0 but wrote no output file")
            return target.read_bytes()


def names_in(argument: str) -> set[str]:
    """Return the names in braces of an argument; raise ValueError for an unclosed brace."""
    return {name for _, name, *_ in string.Formatter().parse(argument) if name is not None}


def _run(command: list[str], data: bytes, program: Program, folder: str | None) -> bytes:
    """Return a command's standard output; raise CodecError, with its messages, unless its exit code is 0."""
    name, pipe = Path(command[0]).name, subprocess.PIPE
    with _ending_with_us():
        try:
            # In a session of its own it does not receive Ctrl-C, and can be killed together with what it started.
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
                raise CodecError(f"{name} did not finish within {program.time_limit:g} s") from None
            raise
    if process.returncode:
        code = process.returncode
        ended = f"died of {_signal(-code)}" if code < 0 else f"exit code {code}"
        # Some programs, such as VVenC, write their error messages to standard output.
        text = (complaint.strip() or output.strip()).decode("utf-8", "replace")
        raise Complained(f"{name}: {ended}" + (f": {_gist(text)}" if text else ""), text)
    return output


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and everything it started."""
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
    # In a long message the first lines state the cause, or in a traceback the last lines.
    if len(lines) > 4:
        lines = [*lines[:2], "...", *lines[-2:]]
    share = _LONGEST // max(1, len(lines))
    whole = " | ".join(lines)
    return whole if len(whole) <= _LONGEST else " | ".join(shorten(line, share, placeholder=" ...") for line in lines)


_LONGEST = 400  # characters of a program's output in a message


class _Stopped(BaseException):
    """A signal that would have ended this process arrived while a program ran."""


@contextmanager
def _ending_with_us() -> Iterator[None]:
    """Before a signal ends this process, kill the program it waits for and remove its temporary folder."""
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
            raise  # an outer block handles the signal, and ends the process after its own clean-up
        signal.signal(stopped.args[0], signal.SIG_DFL)
        os.kill(os.getpid(), stopped.args[0])
    finally:
        for number in deadly:
            signal.signal(number, signal.SIG_DFL)


def executable(name: str, path: str | None = None) -> str:
    """Return the path of a program; raise CodecUnavailable, with the places searched, if it is not found.

    A path is used as it is. A name is looked up first in the environment variable CODECSHIFT_<NAME>, e.g.
    CODECSHIFT_BPGENC; then, for "ffmpeg", inside the package imageio-ffmpeg; then on `path`, by default PATH.
    """
    variable = "CODECSHIFT_" + re.sub(r"\W", "_", name).upper()
    if os.sep in name:
        command, searched = name, name
    elif variable in os.environ:
        command, searched = os.environ[variable], f"{os.environ[variable]}, which {variable} names"
    else:
        command, searched = _bundled(name) or name, f"{name} on PATH or named by {variable}"
    program = shutil.which(command, path=path)
    if program is None:
        raise CodecUnavailable(f"no program {searched}")
    return program


def _bundled(name: str) -> str | None:
    if name != "ffmpeg":
        return None
    import imageio_ffmpeg  # noqa: PLC0415 - needed only when a codec is opened

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return None


@contextmanager
def opened(program: Program, /, **params: int | float | str) -> Iterator[ProgramCodec]:
    """Open a program at an operating point; raise CodecUnavailable if it is not on this machine."""
    yield ProgramCodec(program, params)


def answer(name: str, *arguments: str, env: Mapping[str, str] | None = None, folder: str = "") -> str:
    """Return the output of a program, standard error included; raise CodecUnavailable if it does not run.

    `env` adds variables to the environment, and `folder` is the working folder, "" for that of this process.
    """
    env = env or {}
    command = [executable(name, env.get("PATH")), *arguments]
    environment = {**os.environ, **env}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
            check=False,
            env=environment,
            cwd=folder or None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CodecUnavailable(f"{name} does not run: {error}") from error
    return (done.stdout + done.stderr).decode("utf-8", "replace")
