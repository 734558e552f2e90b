"""One network in training: its weights, its optimizers, and one optimisation step at a time."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..architectures import HIGH, LOW
from ..models import construct
from . import logs, principal_components
from .acceleration import avoid_synchronisation, use_bfloat16
from .job import Job
from .objective import forward, image_weights, terms
from .optimizers import make_optimizer, step_factors
from .photographs import crops
from .pruning import Pruner, sparsity
from .recipe import Diverged


class Learner:
    """The network for the lambda at `index` of a recipe, in training; `start` or `build` creates it.

    Every step draws its crops, lambdas and noise from a generator seeded by (seed, index, step). A step is therefore
    the same after a restart, and does not depend on networks that are trained in parallel.

    `busy` is true during a step, while weights and optimizers are inconsistent. `saved_step` is the step of the state
    on disk, `published` the step of the checkpoint, and `best` the best validation score so far.
    """

    def __init__(self, job: Job, index: int, lam: float | None) -> None:
        self.job, self.index, self.lam = job, index, lam
        self.recipe = job.recipe
        self.steps = self.recipe.steps_of(index)
        self.stem = list(self.recipe.stems)[index]
        self.checkpoint_file = job.out / f"{self.stem}.safetensors"
        self.state_file = job.out / "state" / f"{self.stem}.pt"
        self.started = self.busy = False
        self.step = self.published = 0
        self.saved_step = -1
        self.best = math.inf
        make_stream: Any = torch.cuda.Stream  # untyped in torch
        self.stream: Any = make_stream(job.device) if job.device.type == "cuda" else None

    def start(self, state: dict[str, Tensor] | None) -> None:
        """Build the network with `state`, else with the weights of its start checkpoint, else with initial ones."""
        loaded = self.job.start[self.index]
        if state is None and loaded is not None:
            state = dict(loaded.state)
        self.build(fresh=state is None)
        if state is not None:
            copy_weights(self.network, state)
        self.add_optimizer()
        self.synchronise()
        self.started = True

    def build(self, *, fresh: bool) -> None:
        """Build the network with random weights, or with the recipe's initial weights if `fresh`."""
        recipe, device = self.recipe, self.job.device
        torch.manual_seed(int(np.random.default_rng((recipe.seed, self.index, 2**32 - 1)).integers(2**63)))
        self.network = construct(recipe.architecture, recipe.config).to(device).train()
        if fresh and recipe.initial == "principal":
            count = max(1, principal_components.PIXELS // recipe.crop**2)
            images = crops(self.job.data, count, recipe.crop, np.random.default_rng([recipe.seed, self.index]))
            principal_components.initialise(self.network, images, self.lam or math.sqrt(LOW * HIGH))
        if device.type == "cuda":
            avoid_synchronisation(self.network)
        elif recipe.precision == "bfloat16":
            # oneDNN's layout for bfloat16 images, with which a step takes half the time of float32.
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.precision == "bfloat16":
            use_bfloat16(self.network, device.type)
        parameters = dict(self.network.named_parameters())
        # The quantiles of entropy bottlenecks have a loss, and an optimizer, of their own.
        self.weights = {name: value for name, value in parameters.items() if not name.endswith(".quantiles")}
        quantiles = [value for name, value in parameters.items() if name.endswith(".quantiles")]
        self.aux_optimizer = torch.optim.Adam(quantiles, lr=recipe.aux_learning_rate)
        self.pruner = Pruner(self.network, recipe.pruning, self.steps) if recipe.pruning else None
        self.sums = torch.zeros(5, dtype=torch.float64, device=device)
        self.count = 0

    def add_optimizer(self, factors: dict[str, Tensor] | None = None) -> None:
        """Create the optimizer of the weights, with the given step factors or those of the current weights."""
        recipe = self.recipe
        self.factors = factors or step_factors(
            self.network, relative=recipe.rates == "relative", gdn=recipe.gdn_rate, prior=recipe.prior_rate
        )
        self.optimizer = make_optimizer(recipe.optimizer, self.weights, self.factors, recipe.learning_rate)

    def advance(self) -> None:
        """Take one step; on a CUDA device the step is queued, and this returns without waiting for it."""
        self.busy = True
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, self.index, self.step])
        torch.manual_seed(int(rng.integers(2**63)))
        with self.on_stream():
            x = crops(self.job.data, recipe.batch, recipe.crop, rng)
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.rate_at(self.step, self.index)
            self.optimizer.zero_grad()
            self.aux_optimizer.zero_grad()
            output, lam = forward(recipe, self.lam, self.network, x, rng, self.step / self.steps)
            cost = terms(output, x, lam, recipe.loss, image_weights(recipe, lam))
            network: Any = self.network
            aux: Tensor = network.aux_loss()
            # One backward pass serves both: quantiles get gradients only from `aux`, other weights only from the loss.
            loss: Any = cost.loss + aux
            loss.backward()
            if self.pruner:
                self.pruner.mask_gradients()
            nn.utils.clip_grad_norm_(self.weights.values(), recipe.clip)
            self.optimizer.step()
            self.aux_optimizer.step()
            self.step += 1
            if self.pruner:
                self.pruner.prune(self.step)
            parts = (cost.loss.detach(), cost.bpp, cost.mse, cost.ms_ssim, aux.detach())
            self.sums += torch.stack([part.double() for part in parts])
            self.count += 1
        self.busy = False

    def on_stream(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context that queues work on this network's own CUDA stream."""
        return torch.cuda.stream(self.stream) if self.stream else contextlib.nullcontext()

    def synchronise(self) -> None:
        """Wait until the device has finished all queued work."""
        if self.stream:
            torch.cuda.synchronize(self.job.device)

    def means(self) -> dict[str, float]:
        """Return the means since the last row of the log; raise Diverged if the loss is not finite."""
        self.synchronise()
        loss, bpp, mse, ms_ssim, aux = (float(total) / max(self.count, 1) for total in self.sums)
        if not (math.isfinite(loss) and math.isfinite(aux)):
            raise Diverged(
                f"the loss of {self.stem} is no longer a number after step {self.step}: stopped, with earlier saves "
                f"kept in {self.job.out}; try a lower learning_rate or clip"
            )
        psnr = 10 * math.log10(255**2 / mse) if mse else math.nan
        return {"loss": loss, "bpp": bpp, "mse": mse, "psnr": psnr, "ms_ssim": ms_ssim, "aux": aux}

    def log(self, seconds: float) -> str:
        """Add a row to log.csv, and return a summary of it."""
        means = self.means()
        row = {
            "step": self.step,
            "lambda": math.nan if self.lam is None else self.lam,
            **means,
            "lr": self.recipe.rate_at(self.step - 1, self.index),
            "sparsity": sparsity(self.network) if self.pruner else 0.0,
            "seconds": round(seconds, 2),
        }
        logs.append(self.job.out / "log.csv", logs.TRAINING_COLUMNS, [row])
        with self.on_stream():
            self.sums.zero_()
        self.count = 0
        return f"{self.stem} loss {means['loss']:.3f} {means['bpp']:.3f} bpp {means['psnr']:.2f} dB"


def copy_weights(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy weights into a network, except tensors of another shape: entropy coder tables of a trained model."""
    for name, value in network.state_dict().items():
        if name in state and state[name].shape == value.shape:
            value.copy_(state[name])
