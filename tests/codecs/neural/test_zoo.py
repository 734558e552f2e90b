"""The zoo: its table, downloads from a server on this machine that can be told to misbehave, and what is refused."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from codecshift.codecs import contract
from codecshift.codecs.neural import download, specs, zoo
from codecshift.codecs.neural.compat import compressai
from codecshift.codecs.protocol import CodecUnavailable
from codecshift.codecs.registry import catalogue, find, identify, open_codec, prepare


@dataclass
class Server:
    """What a local server serves, by path; `cuts` says how many answers end halfway before one is whole."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
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
            served.cuts -= 1
            self.wfile.write(content[: len(content) // 2] if served.cuts >= 0 else content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        served = Server(f"http://127.0.0.1:{listening.server_port}")
        monkeypatch.setattr(zoo, "URL", served.url)
        monkeypatch.setenv(download.FOLDER, str(tmp_path / "weights"))
        yield served
        listening.shutdown()
        thread.join()


@pytest.fixture
def offered(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], str]:
    """A function that puts a file on the server as the zoo's first quality of an architecture, and returns its name."""

    def offer(codec: str, content: bytes) -> str:
        name = f"{codec}-1-{hashlib.sha256(content).hexdigest()[:8]}"
        server.files[f"/{name}.pth.tar"] = content
        files = zoo.VARIABLE if codec in zoo.VARIABLE else zoo.FIXED
        monkeypatch.setitem(files, codec, name if codec in zoo.VARIABLE else (name, *zoo.FIXED[codec][1:]))
        return name

    return offer


def saved(folder: Path, state: Any) -> bytes:
    torch.save(state, folder / "saved")
    return (folder / "saved").read_bytes()


# --- the table


def test_the_table_is_the_librarys() -> None:
    fixed, variable = compressai("zoo.image"), compressai("zoo.image_vbr")
    assert fixed.root_url == zoo.URL
    ours = {name: [f"{zoo.URL}/{one}.pth.tar" for one in files] for name, files in zoo.FIXED.items()}
    ours |= {name: [f"{zoo.URL}/{one}.pth.tar"] for name, one in zoo.VARIABLE.items()}
    theirs = {
        f"{architecture}-{metric}": list(urls.values()) if isinstance(urls, dict) else [urls]
        for architecture, metrics in (*fixed.model_urls.items(), *variable.model_urls.items())
        for metric, urls in metrics.items()
    }
    assert ours == theirs


def test_the_zoo_is_in_the_catalogue_and_estimates_are_only_found() -> None:
    assert {spec.name for spec in specs.SPECS} <= set(catalogue().specs)
    assert not any(name.endswith("-est") for name in catalogue().specs)
    spec, (point,) = find("bmshj2018-hyperprior-mse:q3")
    assert (spec.kind, dict(point.params)) == ("neural", {"quality": 3})
    estimate, (same,) = find("bmshj2018-hyperprior-mse-est:q3")
    assert (estimate.name, same) == ("bmshj2018-hyperprior-mse-est", point)
    assert "estimated" in estimate.settings
    assert identify(spec).startswith("compressai 1.")


# --- fetching


def test_a_file_is_fetched_once_whole_and_with_progress(
    server: Server, offered: Callable[[str, bytes], str], tmp_path: Path
) -> None:
    content = np.random.default_rng(1).bytes(700_000)
    name = offered("mbt2018-mse", content)
    told: list[tuple[str, int, int]] = []
    path = download.fetched(name, lambda *one: told.append(one))
    assert path.read_bytes() == content
    assert told[-1] == (f"downloading {name}.pth.tar", 700_000, 700_000)
    assert [one[1] for one in told] == sorted(one[1] for one in told)
    assert download.fetched(name) == path
    assert len(server.asked) == 1
    assert [one.name for one in (tmp_path / "weights").iterdir() if not one.name.endswith(".lock")] == [path.name]


def test_a_wrong_hash_leaves_nothing(server: Server, offered: Callable[[str, bytes], str], tmp_path: Path) -> None:
    name = offered("mbt2018-mse", b"weights")
    server.files[f"/{name}.pth.tar"] = b"other weights"
    digest = hashlib.sha256(b"other weights").hexdigest()[:8]
    with pytest.raises(CodecUnavailable, match=rf"the sha256 {digest}.*save that file as") as refused:
        download.fetched(name)
    assert f"{server.url}/{name}.pth.tar" in str(refused.value)
    assert [one.name for one in (tmp_path / "weights").iterdir() if not one.name.endswith(".lock")] == []


def test_a_cut_connection_is_tried_again(server: Server, offered: Callable[[str, bytes], str]) -> None:
    server.cuts = download.ATTEMPTS - 1
    assert download.fetched(offered("mbt2018-mse", b"weights" * 1000)).read_bytes() == b"weights" * 1000
    assert len(server.asked) == download.ATTEMPTS


def test_what_the_server_does_not_have_is_asked_for_once(server: Server) -> None:
    with pytest.raises(CodecUnavailable, match="the server answered HTTP 404"):
        download.fetched("none-1-00000000")
    assert len(server.asked) == 1


def test_without_a_network_opening_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "URL", "http://127.0.0.1:9")
    spec, (point,) = find("bmshj2018-hyperprior-mse:q3")
    assert identify(spec)
    with pytest.raises(CodecUnavailable, match=r"cannot download its weights, the connection failed or was cut: http"):
        prepare(spec, [point])
    with pytest.raises(CodecUnavailable, match="cannot download its weights"), open_codec(spec, point):
        pass


# --- opening


OLD = {"matrices": "_matrices", "biases": "_biases", "factors": "_factors"}


@pytest.mark.parametrize("codec", ["bmshj2018-factorized-mse", "bmshj2018-hyperprior-ms-ssim", "mbt2018-mean-mse"])
def test_a_file_of_the_zoo_becomes_a_codec(
    offered: Callable[[str, bytes], str], lively: Callable[..., Any], tmp_path: Path, codec: str
) -> None:
    model = lively(codec.removesuffix("-mse").removesuffix("-ms-ssim"))
    model.update()
    state = {
        ".".join(OLD.get(part, part) for part in key.split(".")): value for key, value in model.state_dict().items()
    }
    offered(codec, saved(tmp_path, state))
    spec, points = find(f"{codec}:q1")
    prepare(spec, points)
    image = contract.example(40, 70)
    with open_codec(spec, points[0]) as opened, open_codec(*_first(find(f"{codec}-est:q1"))) as estimate:
        seen = opened.decode(opened.encode(image))
        np.testing.assert_array_equal(seen, estimate.estimate(image)[1])  # type: ignore[attr-defined]


def _first(found: Any) -> Any:
    spec, points = found
    return spec, points[0]


def test_a_variable_rate_file_of_the_zoo_becomes_a_codec(
    offered: Callable[[str, bytes], str], lively: Callable[..., Any], tmp_path: Path
) -> None:
    model = lively("bmshj2018-hyperprior-vbr", {"N": 8, "M": 12})
    offered("bmshj2018-hyperprior-vbr-mse", saved(tmp_path, {**model.state_dict(), "QuantOffset": torch.zeros(1)}))
    spec, points = find("bmshj2018-hyperprior-vbr-mse")
    contract.rising_rate(spec, points[::3], [contract.example(64, 64)])


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("harm",)


def test_whatever_must_be_unpickled_is_refused(
    offered: Callable[[str, bytes], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offered("mbt2018-mse", saved(tmp_path, {"weights": torch.zeros(1), "more": Harmful()}))
    with pytest.raises(CodecUnavailable, match=r"is refused: .* unpickling it could run any program"):
        open_codec(*_first(find("mbt2018-mse:q1"))).__enter__()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("state", [[torch.zeros(1)], {"epoch": 3}, {"g_a.0.weight": torch.zeros(8, 3, 5, 5)}, "text"])
def test_other_content_is_refused(offered: Callable[[str, bytes], str], tmp_path: Path, state: Any) -> None:
    offered("mbt2018-mse", saved(tmp_path, state))
    with pytest.raises(CodecUnavailable, match=r"expected tensors by name|does not hold the weights of mbt2018"):
        open_codec(*_first(find("mbt2018-mse:q1"))).__enter__()


def test_a_damaged_file_is_refused(offered: Callable[[str, bytes], str]) -> None:
    offered("mbt2018-mse", b"no weights at all")
    with pytest.raises(CodecUnavailable, match="is damaged, or holds more than tensors"):
        open_codec(*_first(find("mbt2018-mse:q1"))).__enter__()
