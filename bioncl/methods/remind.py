"""REMIND: replay of compressed features above layers that stay frozen.

    task 1      the whole network learns (base initialisation). Then all up to `layer` is frozen,
                a product quantiser is fitted to that layer's activations, and every example is
                stored as its code: `parts` bytes for each vector.
    later       what enters the rest of the network is always what the codes give back, in training
                and at test. Each step is on n new examples and m replayed ones,

                    loss = (Σ_new loss + Σ_replayed loss) / (n + m)

                and the new examples are stored after it. Replayed ones are mixed in pairs (mixup):
                λ a + (1 − λ) b with the loss λ loss(·, y_a) + (1 − λ) loss(·, y_b), λ ~ Beta(γ, γ).

The decoded features enter the network at `layer` through `Backbone.forward(…, entry=layer)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy
import torch
from annotated_types import Ge, Interval
from torch import Tensor, nn

from bioncl.errors import UnsupportedError, describe
from bioncl.learning import objective
from bioncl.learning.balanced import BalancedMemory
from bioncl.learning.feature_codes import FeatureCodes, as_vectors, features
from bioncl.learning.importance import evaluating
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.mixing import only
from bioncl.learning.planned import planned_steps
from bioncl.learning.quantiser import ProductQuantiser
from bioncl.models.backbone import Backbone, parts_before
from bioncl.seeding import derive, numpy_generator
from bioncl.streams.stream import Batch, Task

CHUNK = 1000
"""Examples that are encoded at a time."""

FITTED = 10_000
"""Examples of the first task whose features codebooks are fitted to."""


@dataclass
class REMIND(Method):
    """Replay of quantised features.

    Attributes:
        layer: The last frozen layer; "input" freezes nothing and stores codes of the inputs, for
            data that is features already. By default the network's first layer.
        memory: Codes stored in all, as many of each class.
        parts: Bytes of the code of a vector: a whole activation, or the channels at one pixel.
        centroids: Centroids of each part.
        replay: Codes replayed at each step.
        mixup: γ of the mixing of replayed features; 0 mixes none.
        lr_decay: Factor on the learning rate over each task but the first; it falls step by step,
            and the next task begins with the full rate again.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("domain", "class")
    paper: ClassVar[str] = "Hayes et al. 2020 (1910.02509)"

    layer: str = ""
    memory: Annotated[int, Ge(1)] = 100_000
    parts: Annotated[int, Ge(1)] = 32
    centroids: Annotated[int, Interval(ge=2, le=256)] = 256
    replay: Annotated[int, Ge(1)] = 50
    mixup: Annotated[float, Ge(0)] = 0.1
    lr_decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    store: BalancedMemory | None = field(default=None, init=False, repr=False)
    codes: FeatureCodes | None = field(default=None, init=False, repr=False)
    model: Backbone | None = field(default=None, init=False, repr=False)
    entry: str = field(default="", init=False, repr=False)
    steps: int = field(default=0, init=False, repr=False)
    chance: numpy.random.Generator | None = field(default=None, init=False, repr=False)

    def check_beside(self, others: Sequence[Method]) -> None:
        """Refuse sleep, which would change the frozen layers that codes were made with."""
        if any(other.sleeps for other in others):
            hint = "Leave one of the two out."
            what = "REMIND freezes layers, and sleep changes all of them"
            raise UnsupportedError(describe(what, hint=hint))

    def attach(self, learner: Learner) -> None:
        """Let inputs of the model pass through the codes, once there are any.

        Raises:
            UnsupportedError: There is no such layer.
        """
        self.model = learner.model
        self.entry = self.layer or (*self.model.layers[:-1], "input")[0]
        parts_before(self.entry, self.model.layers)

        # a function, not a method: copies of the model share this object instead of copying it
        def enter(model: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if self.codes is None or not isinstance(model, Backbone) or len(given) != 1 or named:
                return None  # who names the way in has features
            codes = self.codes.to(given[0].device)
            code = codes.encode(features(model, self.entry, given[0]))
            return (codes.decode(code), self.entry), {}

        self.model.register_forward_pre_hook(enter, with_kwargs=True)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Freeze the layers up to `layer`, if the base is there."""
        if learner.model is not self.model:
            what = "REMIND freezes layers, and another method replaced the network"
            raise UnsupportedError(describe(what, hint="Leave one of the two out."))
        self.chance, self.steps = numpy_generator(learner.seed, "mixup", task.index), 0
        if self.codes is not None and self.store is not None:
            self.codes = self.codes.to(learner.device)
            code = self.store.examples().x[:1].to(learner.device)
            for parameter in below(learner.model, self.codes.decode(code), self.entry):
                parameter.requires_grad_(False)

    def extra_loss(self, learner: Learner, batch: Batch) -> Tensor | None:
        """Loss of the replayed features, as a sum divided by the number of new examples."""
        if self.codes is None or not self.store or self.chance is None:
            return None
        held = self.store.examples()
        places = torch.randint(len(held), (2, self.replay), generator=learner.generator)
        share = float(self.chance.beta(self.mixup, self.mixup)) if self.mixup else 1.0
        one, other = (
            self.codes.decode(held.x[some].to(learner.device)) for some in places.unbind()
        )
        learner.model.use_task(None)
        logits = learner.model(share * one + (1 - share) * other, self.entry)
        labels = held.y[places].to(learner.device)
        losses = [objective.loss(learner.model.output, logits, y) for y in labels.unbind()]
        mixed = share * losses[0] + (1 - share) * losses[1]
        return mixed * (self.replay / len(batch))

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Divide by the number of all examples, new and replayed, instead of the new ones'."""
        if self.codes is None:
            return
        for parameter in learner.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(len(batch) / (len(batch) + self.replay))

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Store the new examples, once each, and lower the learning rate."""
        if self.codes is None:
            return
        if learner.epoch == 0:
            self.keep(learner, only(batch, learner.task.index))
        self.steps += 1
        done = self.steps / planned_steps(learner)
        for group in learner.optimizer.param_groups:
            group["lr"] = learner.training.lr_of(learner.task.index) * self.lr_decay**done

    def after_task(self, learner: Learner, task: Task) -> None:
        """After the first task: fit the codes to its features, and store all of it."""
        if self.codes is not None:
            return
        model, train = learner.model, task.train
        some = train.x[torch.randperm(len(train), generator=learner.generator)[:FITTED]]
        found = features(model, self.entry, some.to(learner.device))
        seed = derive(learner.seed, "remind")
        quantiser = ProductQuantiser.fit(as_vectors(found), self.parts, self.centroids, seed)
        self.codes = FeatureCodes(tuple(found.shape[1:]), quantiser)
        self.store = BalancedMemory(self.memory)
        for x, y in zip(train.x.split(CHUNK), train.y.split(CHUNK), strict=True):
            self.keep(learner, Batch(x.to(learner.device), y, task.index))
        learner.changed()

    def keep(self, learner: Learner, batch: Batch) -> None:
        """Offer the codes of `batch` to the memory."""
        if self.codes is not None and self.store is not None:
            coded = self.codes.encode(features(learner.model, self.entry, batch.x))
            self.store.add(Batch(coded, batch.y, batch.task), learner.generator)

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        if self.codes is None or self.store is None:
            return {}
        codes = {"codebooks": self.codes.quantiser.codebooks}
        return self.store.state() | codes | {"shape": torch.tensor(self.codes.shape)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        if state:
            self.store = BalancedMemory(self.memory)
            self.store.load_state(state)
            quantiser = ProductQuantiser(state["codebooks"].clone())
            self.codes = FeatureCodes(tuple(state["shape"].tolist()), quantiser)


def below(model: Backbone, found: Tensor, layer: str) -> list[nn.Parameter]:
    """The parameters that the outputs for features `found` of `layer` do not depend on."""
    model.use_task(None)
    parameters = [p for p in model.parameters() if p.requires_grad]
    with evaluating(model), torch.enable_grad():
        total = model(found, layer).sum()
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    return [p for p, g in zip(parameters, gradients, strict=True) if g is None]
