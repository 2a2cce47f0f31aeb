"""How a convolutional network is trained: what a run keeps, the rate at which
channels are dropped in each step, statistics for evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import sparsedrop
from sparsedrop.channels import ChannelSchedule, layer_rates
from sparsedrop.cnn import Cnn

from .fashion_mnist import SIZE, Data
from .training import Programs, Run


@dataclass(frozen=True)
class Policy:
    """``schedule`` is that of the rate of all layers. With a ``budget`` it is the
    mean over layers, which get rates of their own from their sensitivities.
    ``recalibration`` is the number of batches, without dropout, whose statistics
    replace the running ones when a run is evaluated."""

    schedule: ChannelSchedule
    budget: bool = False
    recalibration: int = 0


class CnnPrograms(Programs):
    """The compiled functions of a network."""

    def __init__(self, model: Cnn, policy: Policy):
        super().__init__(model)
        self.policy, self.recalibrate = policy, None
        if policy.recalibration and model.statistics():
            self.recalibrate = sparsedrop.compile(self.text, entry="loss_recalibrate", mode="dense")

    def initialize(self, seed: int) -> list[np.ndarray]:
        """Weights after He et al. 2015 (variance 2 / inputs), gammas and running
        variances 1, everything else 0."""
        rng = np.random.Generator(np.random.PCG64([seed, 1]))
        model, values = self.model, []
        parameters = {name for name, _ in model.parameters()}
        for name, shape in model.updated():
            if name in parameters and name.endswith("_weight"):
                outputs = shape[0] if model.layout == "nchw" and len(shape) == 4 else shape[-1]
                inputs = np.prod(shape) / outputs
                value = rng.standard_normal(shape) * np.sqrt(2 / inputs)
            elif name.endswith("_variance") or (name in parameters and name.endswith("_gamma")):
                value = np.ones(shape)
            else:
                value = np.zeros(shape)
            values.append(value.astype(np.float32))
        return values

    def images(self, rows: np.ndarray) -> np.ndarray:
        """One channel: the two layouts are the same numbers."""
        shape = (1, *SIZE) if self.model.layout == "nchw" else (*SIZE, 1)
        return rows.reshape(len(rows), *shape)

    def step_arguments(self, run: Run) -> list[np.ndarray]:
        """The rate of each site."""
        rate, sites = self.policy.schedule.rate_at(run.steps), self.model.sites()
        if not self.policy.budget:
            return [np.float32(rate)] * len(self.model.rates())
        if rate and ("channel_rates" not in run.notes or run.notes["renewed"]):
            # The step before kept all channels: their sensitivities are new.
            arrays = [self.value(run, f"{conv.name}_sensitivity") for conv in sites]
            operations = [conv.operations() for conv in sites]
            shares = layer_rates(arrays, operations, self.policy.schedule.rate)
            run.notes["channel_rates"] = [float(share) for share in shares]
        run.notes["renewed"] = not rate
        if not rate:
            return [np.float32(0)] * len(sites)
        part = rate / self.policy.schedule.rate
        return [np.float32(part * share) for share in run.notes["channel_rates"]]

    def value(self, run: Run, name: str) -> np.ndarray:
        """One of the arrays of a run."""
        names = [other for other, _ in self.model.updated()]
        return run.values[names.index(name)]

    def evaluated(self, run: Run, data: Data) -> list[np.ndarray]:
        """Parameters and running statistics, or the mean statistics of some batches
        of the epoch: those were collected while channels were dropped."""
        model = self.model
        parameters = run.values[: len(model.parameters())]
        statistics = [self.value(run, name).copy() for name, _ in model.statistics()]
        arrays = [self.value(run, name) for name, _ in model.channel_arrays()]
        # Neither labels nor rates matter to statistics.
        target, rates = np.zeros((model.batch, model.classes), np.float32), [np.float32(0)] * len(model.rates())
        if self.recalibrate:
            order = run.order(len(data.labels))
            count = min(self.policy.recalibration, len(order) // model.batch)
            for i in range(count):
                x = self.images(data.images[order[i * model.batch : (i + 1) * model.batch]])
                self.recalibrate(x, target, *parameters, *statistics, *arrays, *rates, 1 / (i + 1))
        return [*parameters, *statistics]
