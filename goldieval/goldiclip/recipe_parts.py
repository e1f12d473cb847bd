"""The parts of a recipe that are about neither its data nor its losses: optimiser, execution, evaluation; checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from goldieval.goldiclip.number_types import Beta, Count, Fraction, NotNegative, Number, Positive


class Part(BaseModel):
    """A part of a recipe; unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def changed(self, *names: str) -> list[str]:
        """Return which of these values, of those that have a default, are another one."""
        return [name for name in names if getattr(self, name) != type(self).model_fields[name].default]


class Optimiser(Part):
    """AdamW with linear warm-up and a cosine to zero; weight decay on matrices only.

    Attributes:
        steps: Number of steps.
        batch_size: Images per step, of all processes together.
        lr: Peak learning rate of AdamW.
        muon_lr: Peak learning rate of Muon, which then moves the matrices of transformer blocks instead of AdamW.
        weight_decay: Weight decay of matrices.
        betas: AdamW's betas.
        eps: AdamW's epsilon.
        warm_up: Steps of linear warm-up.
        clip: Largest norm of the gradient; null does not clip.
        precision: Mixed precision of forward and backward pass.
    """

    steps: Count
    batch_size: Count
    lr: Positive = 1e-3
    muon_lr: Positive | None = None
    weight_decay: Annotated[Number, Field(ge=0)] = 0.2
    betas: tuple[Beta, Beta] = (0.9, 0.98)
    eps: Positive = 1e-6
    warm_up: NotNegative = 200
    clip: Positive | None = 1.0
    precision: Literal["no", "bf16", "fp16"] = "no"

    @model_validator(mode="before")
    @classmethod
    def _nothing_accumulates(cls, values: Any) -> Any:
        """Read what older checkpoints say of accumulated steps, which split the negatives of a contrast."""
        if not isinstance(values, dict) or "accumulate" not in values:
            return values
        if values["accumulate"] != 1:
            raise ValueError("accumulate is no longer there; execution.micro_batches computes a large batch in parts")
        return {key: value for key, value in values.items() if key != "accumulate"}


class Execution(Part):
    """How a step is computed: its memory and its speed, not its result. A resumed run may change all of it.

    Attributes:
        micro_batches: Parts in which each process computes its share of the batch. Losses are those of the whole batch:
            features are computed without gradients first and again, part by part, with those that the losses gave.
        checkpointing: Share of the blocks of each tower whose activations are not kept for the backward pass but
            computed again in it, from 0 (none) to 1 (all).
        compile: Whether the blocks of the towers are compiled (torch.compile); needs a C++ compiler.
        fused: Whether AdamW moves all weights in one kernel; by default on CUDA and CPU.
        static_graph: Whether every step uses the same parameters, which spares several processes the search for unused
            ones; by default where the recipe allows it.
        deterministic: Whether a step that cannot be repeated to the bit on this device is refused.
    """

    micro_batches: Count = 1
    checkpointing: Fraction = 0.0
    compile: bool = False
    fused: bool | None = None
    static_graph: bool | None = None
    deterministic: bool = False


class Evaluation(Part):
    """Evaluation of checkpoints during the training.

    Attributes:
        every: Number of steps after which the model is evaluated, and also at the end; 0 does not evaluate.
        tasks: Names of tasks and suites.
        limit: Largest number of samples of a task; all by default.
    """

    every: NotNegative = 0
    tasks: Annotated[tuple[str, ...], Field(min_length=1)] = ("shapes",)
    limit: Count | None = None
