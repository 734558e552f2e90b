"""The files of a network in training: the state to resume from, checkpoints, and validation scores."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import pickle
from dataclasses import asdict

import torch
from torch import Tensor

from ...protocol import CodecError
from .. import checkpoint
from ..compat import compressai
from ..metadata import Facts, Metric
from ..models import construct
from . import logs
from .job import Job
from .learner import Learner, copy_weights
from .pruning import sparsity
from .recipe import Diverged, TrainingError
from .validation import mean_loss, validate


def resume(learner: Learner) -> None:
    """Restore a network and its optimizers from its state file; raise TrainingError if the file is damaged."""
    path = learner.state_file
    try:
        # Load to the CPU, where Adam keeps its step counts; reading them from a device would wait for the device.
        saved = torch.load(path, map_location="cpu", weights_only=True)
        learner.build(fresh=False)
        learner.network.load_state_dict(saved["network"])
        learner.add_optimizer(saved["factors"])
        learner.optimizer.load_state_dict(saved["optimizer"])
        learner.aux_optimizer.load_state_dict(saved["aux_optimizer"])
        learner.step, learner.published, learner.count = saved["step"], saved["published"], saved["count"]
        # A best score is comparable only on the same validation images.
        learner.best = saved["best"] if saved["judges"] == _validation_digest(learner.job) else math.inf
        learner.sums.copy_(saved["sums"])
        if learner.pruner:
            learner.pruner.masks = [mask.to(learner.job.device) for mask in saved["masks"]]
    except torch.OutOfMemoryError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} is damaged ({type(error).__name__}): choose another --out") from error
    learner.saved_step = learner.step
    learner.synchronise()
    learner.started = True


def save_state(learner: Learner) -> None:
    """Write the state that `resume` reads; raise Diverged, and keep the old state, if a number is not finite."""
    if learner.count:
        learner.means()
    learner.synchronise()
    if not all(bool(torch.isfinite(value).all()) for value in learner.network.parameters()):
        raise Diverged(
            f"the weights of {learner.stem} are no longer numbers after step {learner.step}: stopped; try a lower "
            "learning_rate or clip"
        )
    state = {
        "network": learner.network.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "factors": learner.factors,
        "aux_optimizer": learner.aux_optimizer.state_dict(),
        "step": learner.step,
        "published": learner.published,
        "best": learner.best,
        "judges": _validation_digest(learner.job),
        "sums": learner.sums,
        "count": learner.count,
        "masks": learner.pruner.masks if learner.pruner else [],
    }
    temporary = learner.state_file.with_name(f".{learner.state_file.name}")
    torch.save(state, temporary)
    temporary.replace(learner.state_file)
    learner.saved_step = learner.step


def publish(learner: Learner, seconds: float) -> str:
    """Write the checkpoint, validate it, and keep a copy of the best one; return a summary of the validation.

    The state on disk says "not published" until all of this is done, so that a killed training repeats it.
    """
    save_state(learner)
    summary = _publish(learner, seconds)
    learner.published = learner.step
    save_state(learner)
    return summary


def _publish(learner: Learner, seconds: float) -> str:
    recipe, job = learner.recipe, learner.job
    state = _exported(learner)
    metric: Metric = "ms-ssim" if recipe.loss == "ms-ssim" else "mse"
    facts = Facts(recipe.architecture, recipe.config, learner.lam, metric, _about(learner, seconds))
    checkpoint.save(learner.checkpoint_file, facts, state)
    if not job.valid:
        return ""
    try:
        scores = validate(recipe, state, learner.lam, job.valid, job.device)
    except CodecError as error:
        raise Diverged(
            f"{learner.stem} cannot code the validation images after step {learner.step}: {error}"
        ) from error
    rows = [{"step": learner.step, "lambda": score.lam, **asdict(score)} for score in scores]
    logs.append(job.out / "valid.csv", logs.VALIDATION_COLUMNS, rows)
    # A network may score better before it is fully pruned, but the recipe asks for the pruned one.
    is_pruned = recipe.pruning is None or learner.step >= round(recipe.pruning.end * learner.steps)
    if is_pruned and mean_loss(scores) < learner.best:
        learner.best = mean_loss(scores)
        checkpoint.save(job.out / "best" / learner.checkpoint_file.name, facts, state)
    return f"{scores[0].bpp_real:.3f} bpp {scores[0].psnr:.2f} dB"


@torch.no_grad()
def _exported(learner: Learner) -> dict[str, Tensor]:
    """Return a copy of the weights on the CPU, with the quantiles of the entropy bottlenecks found by bisection.

    The auxiliary loss brings the quantiles only close to their values. A table that is too narrow costs bits, and one
    that is too wide costs time.
    """
    copy = construct(learner.recipe.architecture, learner.recipe.config)
    copy_weights(copy, {name: value.cpu() for name, value in learner.network.state_dict().items()})
    bottleneck = compressai("entropy_models").EntropyBottleneck
    for module in copy.modules():
        if isinstance(module, bottleneck):
            module.update(force=True, update_quantiles=True)
    return copy.state_dict()


def _about(learner: Learner, seconds: float) -> dict[str, str]:
    recipe, job = learner.recipe, learner.job
    versions = {name: importlib.metadata.version(name) for name in ("codecshift", "torch", "compressai")}
    return {
        "recipe": recipe.name,
        "recipe_sha256": recipe.digest(),
        "data_sha256": job.data.digest,
        "images": str(len(job.data)),
        "steps": str(learner.step),
        "seconds": f"{seconds:.0f}",
        "device": torch.cuda.get_device_name(job.device) if learner.stream else "cpu",
        **({"sparsity": f"{sparsity(learner.network):.6f}"} if learner.pruner else {}),
        **{f"version_{name}": version for name, version in versions.items()},
    }


def _validation_digest(job: Job) -> str:
    return hashlib.sha256(b"".join(image.tobytes() for image in job.valid)).hexdigest()
