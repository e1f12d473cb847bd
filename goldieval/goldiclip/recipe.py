"""What a recipe is: everything that a training run depends on, typed and checked."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.number_types import Count, Number, Positive, WholeNumber
from goldieval.goldiclip.recipe_data import DataSettings
from goldieval.goldiclip.recipe_losses import LogitScale, Objective, Teacher, WarmStart, Weighting
from goldieval.goldiclip.recipe_parts import Evaluation, Execution, Optimiser, Part

CONDITIONED_SCALE = 10.0  # start of a conditioned sigmoid loss of its own
CONTRASTS: tuple[Objective, ...] = ("softmax", "sigmoid")
DISTILLATION: tuple[Objective, ...] = ("distil_agnostic", "distil_conditioned")
NEED_PATCHES: frozenset[Objective] = frozenset(  # of the student's global crops
    {"conditioned", "caption", "vqa", "token_classes", "foils_conditioned", "cross_modal", "grouping"}
)
MAY_LACK_DATA: frozenset[Objective] = frozenset({"vqa", "foils", "foils_conditioned"})  # for all images of a batch


class Recipe(Part):
    """A training run.

    Attributes:
        name: Name of the recipe.
        title: One line that describes it.
        model: Sizes and parts of the model.
        data: Where training samples come from, and how each is shown.
        objectives: Weight of each objective; with learned weights, how much the logarithm of its loss counts.
        warm_start: A first phase with fewer objectives.
        weighting: Whether the weights of the losses are fixed or learned.
        init: Checkpoint whose weights are the start; parts that it lacks start at random.
        optimiser: Steps, batch and learning rates.
        execution: How a step is computed: memory and speed, not the result.
        teacher: The teacher of self-distillation.
        logit_scale: Scale of the contrastive losses at the start.
        logit_bias: Bias of the sigmoid losses at the start.
        conditioned_scale: Scale of the conditioned sigmoid loss at the start, where ``model.conditioned_scale`` gives
            it one of its own; 10 by default.
        conditioned_bias: Its bias at the start; by default the one at which it rests while nothing is known: the logit
            of the share of positives among its pairs.
        evaluation: Evaluation of checkpoints during the training.
        seed: Seed of weights, data order, crops and captions.
        save_every: Steps between two checkpoints.
        keep: Number of checkpoints that are kept.
        scoring: Scoring mode of the model by default.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*$")]
    title: str
    model: ModelConfig = ModelConfig()
    data: DataSettings = DataSettings()
    objectives: Annotated[dict[Objective, Positive], Field(min_length=1)]
    warm_start: WarmStart | None = None
    weighting: Weighting = Weighting()
    init: str = ""
    optimiser: Optimiser
    execution: Execution = Execution()
    teacher: Teacher = Teacher()
    logit_scale: LogitScale = 1 / 0.07
    logit_bias: Number = -10.0
    conditioned_scale: LogitScale | None = None
    conditioned_bias: Number | None = None
    evaluation: Evaluation = Evaluation()
    seed: Annotated[WholeNumber, Field(ge=0, lt=2**32)] = 0
    save_every: Count = 500
    keep: Count = 2
    scoring: Literal["global", "conditioned"] = "global"

    @model_validator(mode="after")
    def _objectives_have_their_parts(self) -> Recipe:
        decodes = {"caption", "vqa"} & set(self.objectives)
        if decodes and self.model.decoder == "none":
            raise ValueError(f"objective {min(decodes)} needs model.decoder through_encoder or in_encoder")
        distils = set(DISTILLATION) & set(self.objectives)
        if distils and not self.data.locals:
            raise ValueError(f"objective {min(distils)} needs data.locals of 1 or more")
        if distils and self.teacher.loss == "dino" and not self.model.prototypes:
            raise ValueError(f"objective {min(distils)} with teacher.loss dino needs model.prototypes")
        if distils and (misfit := self.teacher.misfit(bool(self.model.distillation_head))):
            raise ValueError(misfit)
        if self.weighting.relative is not None and self.contrast is None:
            raise ValueError("weighting.relative needs objective softmax or sigmoid, by which the others are measured")
        for part in ("token_classes", "cross_modal", "grouping"):
            if part in self.objectives and not getattr(self.model, part):
                raise ValueError(f"objective {part} needs model.{part}: true")
        if "cross_modal" in self.objectives and not self.data.locals:
            raise ValueError("objective cross_modal needs data.locals of 1 or more")
        for start in ("conditioned_scale", "conditioned_bias"):
            if getattr(self, start) is not None and not self.model.conditioned_scale:
                raise ValueError(f"{start} needs model.conditioned_scale: true")
        return self

    @model_validator(mode="after")
    def _data_fit(self) -> Recipe:
        data, batch_size = self.data, self.optimiser.batch_size
        if "cross_modal" in self.objectives and data.globals > data.captions:
            raise ValueError(f"data.globals {data.globals} exceeds data.captions {data.captions}")
        if data.single_sentences > data.captions:
            raise ValueError(f"data.single_sentences exceeds data.captions {data.captions}")
        if data.locals and data.local_size % self.model.patch_size:
            raise ValueError(f"data.local_size {data.local_size} is not divisible by the patch size")
        if data.source == "shapes" and batch_size > data.scenes:
            raise ValueError(f"optimiser.batch_size {batch_size} exceeds data.scenes {data.scenes}")
        return self

    @model_validator(mode="after")
    def _warm_start_fits(self) -> Recipe:
        if self.warm_start is None:
            return self
        if foreign := set(self.warm_start.objectives) - set(self.objectives):
            raise ValueError(f"warm_start.objectives: {min(foreign)} is not among objectives")
        if self.warm_start.steps >= self.optimiser.steps:
            raise ValueError(f"warm_start.steps {self.warm_start.steps} is not less than optimiser.steps")
        return self

    @model_validator(mode="after")
    def _execution_fits(self) -> Recipe:
        parts, batch_size = self.execution.micro_batches, self.optimiser.batch_size
        if parts > batch_size:
            raise ValueError(f"execution.micro_batches {parts} exceeds optimiser.batch_size {batch_size}")
        if self.execution.static_graph and self._changes_graph:
            raise ValueError(f"execution.static_graph: {self._changes_graph}; leave it out")
        return self

    @property
    def static_graph(self) -> bool:
        """Whether every step uses the same parameters, so that no process need look for unused ones."""
        wanted = self.execution.static_graph
        return not self._changes_graph if wanted is None else wanted

    @property
    def _changes_graph(self) -> str:
        """Why not every step uses the same parameters, or an empty string."""
        if self.warm_start is not None:
            return "warm_start changes which parameters are used"
        if lacking := MAY_LACK_DATA & set(self.objectives):
            return f"a batch may have no data for objective {min(lacking)}"
        if self.execution.micro_batches > 1:
            return "parts of execution.micro_batches use different parameters"
        if self.execution.deterministic:
            return "a resumed run would add up the gradients of several processes in another order"
        return ""

    @property
    def method(self) -> str:
        """Name of the method in tables: not every recipe of the trainer is GoldiCLIP's."""
        is_goldiclip = {"distil_conditioned", "vqa"} <= set(self.objectives)
        return "GoldiCLIP-R (reconstruction)" if is_goldiclip else "goldieval's trainer (reimplementation)"

    @property
    def pools(self) -> bool:
        """Whether an objective trains the text-conditioned pooling."""
        return bool({"conditioned", "distil_conditioned", "vqa", "foils_conditioned"} & set(self.objectives))

    @property
    def conditioned_start(self) -> tuple[float, float]:
        """Scale and bias with which a conditioned sigmoid loss of its own begins.

        An image is compared with its k own captions and one of each of the other g - 1 images. Where nothing tells
        them apart, the loss is lowest if every pair has the probability k / (k + g - 1).
        """
        scale = CONDITIONED_SCALE if self.conditioned_scale is None else self.conditioned_scale
        rest = math.log(self.data.captions / max(1, self.optimiser.batch_size - 1))
        return scale, rest if self.conditioned_bias is None else self.conditioned_bias

    @property
    def uses_patches(self) -> bool:
        """Whether an objective needs patches of the student's global crops, beside their global features."""
        return bool(NEED_PATCHES & set(self.objectives))

    @property
    def distils_patches(self) -> bool:
        """Whether an objective needs patches of local crops and of the teacher's images."""
        return "distil_conditioned" in self.objectives

    @property
    def uses_foils(self) -> bool:
        """Whether an objective needs foils."""
        return bool({"foils", "foils_conditioned"} & set(self.objectives))

    @property
    def learned_scales(self) -> tuple[Objective, ...]:
        """Objectives that learn a logit scale of their own, which is no part of the model."""
        distils = self.teacher.loss == "info_nce" and self.teacher.largest_scale is not None
        return tuple(name for name in DISTILLATION if name in self.objectives) if distils else ()

    @property
    def subtracts_floors(self) -> bool:
        """Whether contrastive distillation is taken less what it cannot fall below, as learned weights need it."""
        return self.weighting.relative is not None

    @property
    def contrast(self) -> Objective | None:
        """The contrast of images and captions by which learned weights are measured; None where there is none."""
        return next((name for name in CONTRASTS if name in self.objectives), None)

    @property
    def draws_captions(self) -> bool:
        """Whether an objective compares an image with one caption of each other image, which is drawn."""
        return "conditioned" in self.objectives

    def active_objectives(self, step: int) -> list[Objective]:
        """Return the objectives that are active in a step.

        Args:
            step: Number of steps before it.
        """
        first_phase = self.warm_start is not None and step < self.warm_start.steps
        return list(self.warm_start.objectives if self.warm_start and first_phase else self.objectives)
