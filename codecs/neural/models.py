"""Models by the name of their architecture: with random weights, or with given weights and ready to code."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch

from .architectures import ARCHITECTURES
from .compat import compressai

State = Mapping[str, torch.Tensor]
Config = Mapping[str, int]

TABLES = ("_offset", "_quantized_cdf", "_cdf_length", "scale_table")
"""The buffers of the entropy coder, which `update` computes from the weights."""

_CONSTANTS = (".bound", ".pedestal", ".scale_bound")
"""Constant buffers. They are taken from a new model, because in half precision a constant of 1e-9 would become 0."""


_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""torch's names for the model inside DataParallel, `compile`, FSDP and a checkpointed layer."""

_BESIDE = ("QuantOffset", "n_averaged")
"""Tensors that belong to no model, left by older variable-rate training and by averaging of weights."""


def named_as_built(state: State) -> dict[str, torch.Tensor]:
    """Return weights under the names that CompressAI's model uses at present.

    The names of torch's wrappers around the model or its layers are removed, however nested. Raises ValueError if two
    tensors then have the same name.
    """
    renamed: dict[str, torch.Tensor] = {}
    rename = compressai("zoo.pretrained").rename_key
    for key, value in state.items():
        name = rename(".".join(part for part in key.split(".") if part not in _WRAPPERS))
        if name in renamed:
            raise ValueError(f"two tensors are called {name!r} once module. and _orig_mod. are left out: remove one")
        if name not in _BESIDE:
            renamed[name] = value
    return renamed


def infer(architecture: str, state: State) -> dict[str, int]:
    """Return the constructor's arguments N and, except for cheng2020, M, from the shapes of weights.

    Raises ValueError if the weights lack the layers that these sizes follow from.
    """
    layers = {"N": "g_a.0.weight", "M": "g_a.6.weight"}
    if architecture.startswith("cheng2020"):
        layers = {"N": "g_a.0.conv1.weight"}
    elif architecture.startswith("elic2022"):
        layers["M"] = "g_a.13.weight"
    elif ARCHITECTURES[architecture].conditional:
        layers = {"N": "g_a.0.convolution.weight", "M": "g_a.3.convolution.weight"}
    missing = [name for name in layers.values() if name not in state or not state[name].ndim]
    if missing:
        raise ValueError(f"it lacks {missing[0]}")
    return {size: state[name].shape[0] for size, name in layers.items()}


def groups(channels: int) -> list[int]:
    """Return the sizes of ELIC's uneven groups of M channels: the paper's for M > 128, else proportionally smaller."""
    first = [16, 16, 32, 64] if channels > 128 else [max(1, channels * share // 20) for share in (1, 1, 2, 4)]
    return [*first, channels - sum(first)]


def construct(architecture: str, config: Config, **options: Any) -> torch.nn.Module:
    """Return a model with random weights; raise ValueError for an unknown architecture or a wrong config.

    `config` holds "N" and, except for cheng2020, "M"; `options` are further arguments of the constructor.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"expected one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    expected = ("N",) if architecture.startswith("cheng2020") else ("N", "M")
    if set(config) != set(expected):
        raise ValueError(f"expected {' and '.join(expected)} in the config of {architecture}, got {dict(config)}")
    if architecture.startswith("elic2022"):
        if config["M"] < 5:
            raise ValueError(f"expected M of at least 5 for the five groups of {architecture}, got {config['M']}")
        options.setdefault("groups", groups(config["M"]))
    model = _class(architecture)(**config, **options)
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"expected a torch module, got {type(model).__name__}")
    return model


def _class(architecture: str) -> Callable[..., Any]:
    if ARCHITECTURES[architecture].conditional:
        # Imported here, because it imports CompressAI's layers.
        module = importlib.import_module(".conditional", __package__)
    else:
        module = compressai("models")
    model: Callable[..., Any] = getattr(module, ARCHITECTURES[architecture].model)
    return model


def loaded(architecture: str, config: Config, state: State) -> torch.nn.Module:
    """Return a model with these weights, ready to code: on the CPU, in eval mode, its tables computed.

    Raises ValueError if the weights do not fit the model.
    """
    options: dict[str, Any] = {}
    if architecture.startswith("elic2022"):
        first = "latent_codec.y.latent_codec.y"
        sizes = {
            int(key[len(first) :].partition(".")[0]): value.shape[1]
            for key, value in state.items()
            if key.startswith(first) and key.endswith(".context_prediction.weight")
        }
        options["groups"] = [sizes[place] for place in sorted(sizes)]
    if ARCHITECTURES[architecture].gain and "gayn2zqstep.0.weight" in state:
        options["vr_entbttlnck"] = True
    model = construct(architecture, config, **options)
    # Stored tables may belong to other weights; the empty tables of a new model are kept instead.
    own = (*TABLES, *_CONSTANTS)
    buffers = {key: value for key, value in model.state_dict().items() if key.endswith(own)}
    weights = {key: value for key, value in state.items() if not key.endswith(own)}
    try:
        model.load_state_dict({**buffers, **weights})
    except (RuntimeError, KeyError) as error:
        size = ", ".join(f"{key}={value}" for key, value in sorted(config.items(), reverse=True))
        raise ValueError(f"with {size} it {_difference(error)}") from error
    model.eval()
    gaussian = compressai("entropy_models").GaussianConditional
    for module in model.modules():
        if isinstance(module, gaussian):
            for name, table in _gaussian_tables().items():
                setattr(module, name, table.clone())
    update: Any = model.update
    with torch.no_grad():
        update()  # computes the tables that are still empty
    return model


@cache
def _gaussian_tables() -> dict[str, torch.Tensor]:
    """Return the tables of Gaussians on CompressAI's scales; all models share them, and they take long to compute."""
    gaussian = compressai("entropy_models").GaussianConditional(None)
    gaussian.update_scale_table(compressai("models.base").get_scale_table(), force=True)
    return {name: getattr(gaussian, name) for name in TABLES}


def _difference(error: RuntimeError | KeyError) -> str:
    """Return a short summary of torch's error message, which has a line for each of hundreds of tensors."""
    text = str(error)
    if isinstance(error, KeyError):
        return f"lacks {error.args[0]}"
    for start, words in (("Missing key(s)", "lacks {}"), ("Unexpected key(s)", "has the unexpected {}")):
        if start in text:
            names = re.findall(r'"([^"]+)"', text.partition(start)[2].partition("\n")[0])
            return words.format(_first(names))
    shapes = re.findall(r"size mismatch for (\S+): .* torch.Size\(\[(.*?)\]\) .* torch.Size\(\[(.*?)\]\)", text)
    if not shapes:
        return f"cannot be loaded ({text})"
    _, got, expected = shapes[0]
    return f"has {_first([name for name, *_ in shapes])} of another shape, ({got}) instead of ({expected})"


def _first(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
