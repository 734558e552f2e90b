"""The referee, photographs in all shapes, and a local server of files."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data


@pytest.fixture(scope="session")
def referee():
    """The module `referee.py` of this folder."""
    spec = importlib.util.spec_from_file_location("corruptions_referee", Path(__file__).with_name("referee.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def crop(photograph: str, top: int, left: int, height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(getattr(skimage.data, photograph)()[top : top + height, left : left + width])


PICTURES = {
    "32x32": lambda: crop("astronaut", 0, 100, 32, 32),
    "33x47": lambda: crop("chelsea", 100, 100, 33, 47),
    "61x40": lambda: crop("coffee", 200, 300, 61, 40),
    "grey": lambda: np.repeat(crop("astronaut", 60, 100, 48, 64)[..., :1], 3, axis=2),
    "white": lambda: np.full((40, 50, 3), 255, dtype=np.uint8),
    "black": lambda: np.zeros((40, 50, 3), dtype=np.uint8),
    "flat": lambda: np.full((40, 50, 3), (77, 130, 5), dtype=np.uint8),
    "poster": lambda: crop("astronaut", 0, 180, 64, 64) // 64 * 85,  # few levels, flat areas, saturated channels
    "200x301": lambda: crop("coffee", 50, 100, 200, 301),
    "300x64": lambda: crop("chelsea", 0, 200, 300, 64),
    "512x768": lambda: kodak("kodim03", (512, 768)),
    "768x512": lambda: kodak("kodim04", (768, 512)),
    "1363x2048": lambda: cv2.resize(skimage.data.coffee(), (2048, 1363), interpolation=cv2.INTER_CUBIC),
}


def kodak(name: str, size: tuple[int, int]) -> np.ndarray:
    """The Kodak image where the data are at hand, else an enlarged sample."""
    folder = os.environ.get("CODECSHIFT_DATA")
    if folder:
        with PIL.Image.open(Path(folder) / "kodak" / f"{name}.png") as image:
            return np.array(image.convert("RGB"))
    return cv2.resize(skimage.data.astronaut(), size[::-1], interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="session")
def picture():
    """A function from a label of PICTURES to pixels that nobody can write to."""
    made: dict[str, np.ndarray] = {}

    def get(label: str) -> np.ndarray:
        if label not in made:
            made[label] = PICTURES[label]()
            made[label].flags.writeable = False
        return made[label]

    return get


@dataclass
class Server:
    """What a local server serves, by path; `cuts` says how many answers end halfway before one is whole."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if served.cuts > 0:
                served.cuts -= 1
                content = content[: len(content) // 2]
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)  # pooch waits between attempts
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        served = Server(f"http://127.0.0.1:{http.server_port}/")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        http.shutdown()
        thread.join()
