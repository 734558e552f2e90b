"""Codecs described in a TOML file, without Python: a name, two commands and some operating points."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from . import content
from .names import did_you_mean
from .program import PICTURES, Program, ProgramCodec, answer, executable, names_in, opened
from .protocol import CodecUnavailable, Point, Scale, Spec

RAW = ("rgb24", "yuv444p", "yuv444p10le")
_KINDS = get_args(get_type_hints(Spec)["kind"])


class BadDescription(ValueError):
    """A file that does not describe a codec; the message names the file and says what was expected."""


@dataclass(frozen=True, slots=True)
class Described:
    """The content of a file: the codec, its two commands, and the command that prints its version."""

    spec: Spec
    program: Program
    ask: tuple[str, ...]


_REQUIRED = {"name": str, "encode": list, "decode": list, "points": list}
_FACTS = {"kind": str, "chroma": str, "bit_depth": int, "colour": str, "effort": str, "threads": int, "settings": str}
_PROGRAM = {"picture": str, "suffix": str, "bare": bool, "multiple": int, "minimum": int, "time_limit": (int, float)}
_OTHERS = {"scale": dict, "version": list, "lossless": bool, "env": dict, "folder": str, "files": list}
_KEYS: Mapping[str, Any] = {**_REQUIRED, **_FACTS, **_PROGRAM, **_OTHERS}
_FILLED_IN = {"input", "output", "width", "height", "here"}
_IN_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def describe(path: Path) -> Spec:
    """Return the codec that a TOML file describes; raise BadDescription.

    Required keys: `name`; `encode` and `decode`, lists of arguments as in `Program`; `points`, a list of values on
    `scale` or of tables with a `name` and parameters.

    Optional keys: `scale` (prefix, parameter, low, high, integer, rising), `picture`, `suffix`, `bare`, `multiple`,
    `minimum`, `time_limit`, `version` (a command that prints the version), `lossless`, `env` (a table of environment
    variables), `folder` (the working folder of the commands), and `files` (files, or folders of files, whose content
    identifies the codec together with the TOML file). For the fairness table: `kind` ("classical" or "neural"),
    `chroma`, `bit_depth`, `colour`, `effort`, `threads` and `settings`.

    Paths are relative to the folder of the TOML file. {here} stands for that folder in the commands and in `version`,
    `env`, `folder` and `files`.
    """
    return read(path).spec


def read(path: Path) -> Described:
    """Return the whole content of a file; raise BadDescription."""
    path = path.absolute()
    try:
        text = path.read_bytes()
        table = tomllib.loads(text.decode())
    except OSError as error:
        raise BadDescription(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDescription(f"{path} is not TOML: {error}") from error
    try:
        return _described(table, path, hashlib.sha256(text).hexdigest()[:12])
    except (ValueError, TypeError) as error:
        raise BadDescription(f"{path}: {error}") from error


def _described(table: Mapping[str, Any], path: Path, digest: str) -> Described:
    _typed(table, _KEYS)
    missing = [key for key in _REQUIRED if not table.get(key)]
    if missing:
        raise ValueError(f"expected the key {missing[0]!r}")
    program = Program(
        _command("encode", table["encode"], path.parent),
        _command("decode", table["decode"], path.parent),
        **{key: table[key] for key in _PROGRAM if key in table},
        env=_variables(table.get("env", {}), path.parent),
        folder=_folder(table["folder"], path.parent) if "folder" in table else "",
    )
    ask = _command("version", table["version"], path.parent) if "version" in table else ()
    ask = (*ask[:1], *(_placed(argument, path.parent) for argument in ask[1:]))
    _sound(program)
    scale = _scale(table["scale"]) if "scale" in table else None
    points = tuple(_point(entry, scale) for entry in table["points"])
    names = [point.name for point in points]
    if len(set(names)) < len(names):
        raise ValueError("two points have the same name: rename one")
    for point in points:
        _known(program, {*_FILLED_IN, *point.params})
    if table.get("kind", _KINDS[0]) not in _KINDS:
        raise ValueError(f"kind = {table['kind']!r}: expected {' or '.join(_KINDS)}")
    if "files" in table:
        digest = f"{digest}-{_digest_of(table['files'], path.parent)}"
    argument = f"{digest}@{path}"
    spec = Spec(
        name=table["name"],
        load=f"{__name__}:load:{argument}",
        points=points,
        scale=scale,
        identify=f"{__name__}:identify:{argument}",
        process=True,
        lossless=table.get("lossless", False),
        **{"settings": " ".join(table["encode"]), **{key: table[key] for key in _FACTS if key in table}},
    )
    if set(spec.name) & set(": ,/@"):
        raise ValueError(f"expected a codec name without colon, comma, slash, @ or space, got {spec.name!r}")
    return Described(spec, program, ask)


def _typed(table: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if key not in keys:
            raise ValueError(f"unknown key {key!r}: expected some of {', '.join(keys)}{did_you_mean(key, keys)}")
        kinds = keys[key] if isinstance(keys[key], tuple) else (keys[key],)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError(f"{key} = {value!r}: expected {_IN_WORDS[kinds[-1]]}")


def _command(key: str, arguments: list[Any], folder: Path) -> tuple[str, ...]:
    if not arguments or not all(isinstance(argument, str) for argument in arguments):
        raise ValueError(f'{key}: expected a list of strings such as ["program", "-q", "{{quality}}"], got {arguments}')
    program, *rest = arguments
    if names_in(program) - {"here"}:
        raise ValueError(
            f"{key}: expected a program's name or path, with {{here}} as its only placeholder, got {program!r}"
        )
    program = program.format(here=folder)
    if os.sep in program:
        program = str(folder / program)
    return (program, *rest)


def _placed(text: str, folder: Path) -> str:
    """Return text with {here} replaced by the folder of the file; other braces stay as they are."""
    return text.replace("{here}", str(folder))


def _variables(table: Mapping[str, Any], folder: Path) -> dict[str, str]:
    for name, value in table.items():
        if not name or set(name) & set("=\0"):
            raise ValueError(f"env: expected the name of a variable, got {name!r}")
        if not isinstance(value, str):
            raise ValueError(f"env: expected text for {name}, such as {name} = '1', got {value!r}")
        if "\0" in value:
            raise ValueError(f"env: expected text for {name} without a zero byte, got {value!r}")
    return {name: _placed(value, folder) for name, value in table.items()}


def _folder(name: str, folder: Path) -> str:
    place = folder / _placed(name, folder)
    if not place.is_dir():
        raise ValueError(
            f"folder = {name!r}: there is no such folder next to the file: create it, or give another path"
        )
    return str(place)


def _digest_of(names: list[Any], folder: Path) -> str:
    """Return 12 hexadecimal digits that change with the content of any of the named files and folders."""
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"files: expected a list of paths such as ['weights.pth'], got {names}")
    digests = hashlib.sha256()
    for name in names:
        place = folder / _placed(name, folder)
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        try:
            contents = [(str(path.relative_to(place)), content.digest(path)) for path in files]
        except FileNotFoundError:
            raise ValueError(f"files: there is no file or folder {name!r} next to the file: correct the path") from None
        except OSError as error:
            raise ValueError(f"files: {name!r} cannot be read: {error.strerror}") from error
        digests.update(repr((name, contents)).encode())
    return digests.hexdigest()[:12]


def _sound(program: Program) -> None:
    if program.picture not in PICTURES:
        raise ValueError(f"picture = {program.picture!r}: expected one of {', '.join(PICTURES)}")
    if program.multiple < 1 or program.minimum < 1 or program.time_limit <= 0:
        raise ValueError("expected multiple, minimum and time_limit above 0")
    if program.picture in RAW and not program.bare:
        raise ValueError(
            f"picture = {program.picture!r} does not store its size: set bare = true, which adds a header with the "
            "size to the stream, and use {width} and {height} in the commands"
        )
    if not program.bare and (program.multiple, program.minimum) != (1, 1):
        raise ValueError("multiple and minimum need bare = true, which adds a header with the original size")


def _known(program: Program, names: Iterable[str]) -> None:
    """Raise ValueError if a command has a name in braces that is not known."""
    known = set(names)
    for key, command in (("encode", program.encode), ("decode", program.decode)):
        for argument in command[1:]:
            for name in sorted(names_in(argument)):
                if name not in known:
                    raise ValueError(
                        f"{key}: got {{{name}}}, expected one of {', '.join(sorted(known))}; {{{{ stands for a brace"
                    )
                if name in {"width", "height"} and key == "decode" and not program.bare:
                    raise ValueError(f"decode: {{{name}}} is only known with bare = true")


def _scale(table: Mapping[str, Any]) -> Scale:
    required = {"prefix": str, "parameter": str, "low": (int, float), "high": (int, float)}
    _typed(table, {**required, "integer": bool, "rising": bool})
    missing = [key for key in required if key not in table]
    if missing:
        raise ValueError(f"scale: expected the key {missing[0]!r}")
    if table["parameter"] in _FILLED_IN:
        raise ValueError(f"scale: {_taken(table['parameter'])}")
    return Scale(**table)


def _taken(parameter: str) -> str:
    names = ", ".join(sorted(_FILLED_IN))
    return f"{parameter!r} is a built-in placeholder of commands ({names}): rename the parameter"


def _point(entry: Any, scale: Scale | None) -> Point:
    if isinstance(entry, dict):
        if not isinstance(entry.get("name"), str):
            raise ValueError(f"points: expected a name in {entry}")
        if set(entry["name"]) & set(": ,/@"):
            raise ValueError(f"expected a point name without colon, comma, slash, @ or space, got {entry['name']!r}")
        params = {key: value for key, value in entry.items() if key != "name"}
        if taken := sorted(_FILLED_IN & params.keys()):
            raise ValueError(f"points: {_taken(taken[0])}")
        return Point(entry["name"], params)
    if scale is None or isinstance(entry, bool) or not isinstance(entry, int | float):
        raise ValueError(
            f"points: expected values on a scale, or tables like {{name = 'low', level = 3}}, got {entry!r}"
        )
    return scale.at(entry)


def _read_again(argument: str) -> Described:
    digest, _, path = argument.partition("@")
    described = read(Path(path))
    if not described.spec.load.endswith(f":{digest}@{path}"):
        or_files = ", or a file it names," if "-" in digest else ""
        raise CodecUnavailable(f"{path}{or_files} has changed since the run began: start the run again")
    return described


def load(argument: str, /, **params: int | float | str) -> AbstractContextManager[ProgramCodec]:
    """Open the codec of a file, `argument` being "digest@path"; raise CodecUnavailable if the file has changed."""
    described = _read_again(argument)
    # Passed as a parameter, because a brace in the folder's name must not count as a brace of the command.
    return opened(described.program, here=str(Path(argument.partition("@")[2]).parent), **params)


def identify(argument: str) -> str:
    """Return the output of the version command, and the digests of the file and of the files it names.

    Raises CodecUnavailable.
    """
    described = _read_again(argument)
    program = described.program
    for command in (program.encode, program.decode):
        executable(command[0], program.path)
    text, _, files = argument.partition("@")[0].partition("-")
    digest = f"described by {text}" + (f", files {files}" if files else "")
    if not described.ask:
        return digest
    lines = answer(*described.ask, env=program.env, folder=program.folder).split("\n")
    return f"{lines[0].strip()[:60]}, {digest}"
