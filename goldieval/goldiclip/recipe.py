"""What a recipe is: everything that a training run depends on, typed and checked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from goldieval.goldiclip.config import ModelConfig
from goldieval.goldiclip.data.captions import MAX_SENTENCES, QuestionsAsCaptions

Objective = Literal[
    "softmax",
    "sigmoid",
    "conditioned",
    "distil_agnostic",
    "distil_conditioned",
    "caption",
    "vqa",
    "token_classes",
    "foils",
    "foils_conditioned",
    "views",
    "cross_modal",
    "grouping",
]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
MAX_LOGIT_SCALE = 100  # beyond it training does not let the scale grow either
SCENES = 20_000  # of the built-in world, unless the recipe says otherwise
Share = Annotated[float, Field(gt=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]


def _ascending(area: tuple[float, float]) -> tuple[float, float]:
    if area[0] > area[1]:
        raise ValueError(f"the lowest share comes first, not {area[0]:g} before {area[1]:g}")
    return area


Area = Annotated[tuple[Share, Share], AfterValidator(_ascending)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataPart(_Part):
    """scenes: unique training scenes of the built-in world.

    captions, questions, locals (crops), foils (groups of a true caption and false ones): so many an image.

    path: JSON Lines file, or folder or pattern of shards.   fields: of captions in a sample's JSON; all known ones by
    default.   workers: processes that read ahead; chosen by the source where not given.
    sentences: a caption joins 1 to so many.   single_sentences: so many captions, the last, are of one.
    globals: crops of the whole picture's kind (COSMOS has 2).
    token_targets: token classes are those of the captions that were drawn, or of all that is said of the image.
    """

    source: Literal["shapes", "jsonl", "shards"] = "shapes"
    path: str = ""
    fields: tuple[str, ...] = ()
    workers: Annotated[int, Field(ge=0)] | None = None
    scenes: Count = SCENES
    captions: Count = 4
    locals: Annotated[int, Field(ge=0)] = 0
    local_size: Count = 32
    global_area: Area = (0.8, 1.0)
    local_area: Area = (0.1, 0.4)
    sentences: Count = MAX_SENTENCES
    single_sentences: Annotated[int, Field(ge=0)] = 0
    globals: Count = 1
    questions: Count = 1
    questions_as_captions: QuestionsAsCaptions = "no"
    question_captions: Count = 1
    foils: Count = 1
    token_targets: Literal["captions", "image"] = "captions"

    @model_validator(mode="after")
    def _source_has_what_it_needs(self) -> DataPart:
        if self.question_captions > min(self.captions, self.questions):
            raise ValueError(f"question_captions {self.question_captions} exceeds captions or questions")
        if self.source == "shapes" and (self.path or self.fields):
            raise ValueError("path and fields are of files; say source jsonl or shards")
        if self.source != "shapes" and not self.path:
            raise ValueError(f"source {self.source} needs a path")
        if self.source != "shapes" and self.scenes != SCENES:
            raise ValueError(f"scenes are of source shapes; {self.source} trains on all that path holds")
        return self


class Weighting(_Part):
    """uncertainty: learned, with a learning rate of its own.   fixed: as in ``objectives``."""

    kind: Literal["uncertainty", "fixed"] = "fixed"
    lr: Positive = 1e-2
    warm_up: Count = 20


class Optimiser(_Part):
    """AdamW with warm-up and cosine to zero; weight decay on matrices only.

    clip: largest norm of the gradient; null: any.
    muon_lr: learning rate of Muon, which then moves the matrices of transformer blocks instead of AdamW.
    """

    steps: Count
    batch_size: Count
    lr: Positive = 1e-3
    muon_lr: Positive | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.2
    betas: tuple[Beta, Beta] = (0.9, 0.98)
    eps: Positive = 1e-6
    warm_up: Annotated[int, Field(ge=0)] = 200
    clip: Positive | None = 1.0
    accumulate: Count = 1
    precision: Literal["no", "bf16", "fp16"] = "no"


class Teacher(_Part):
    """momentum of the EMA; form of the distillation loss; captions that condition it."""

    momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
    loss: Literal["dino", "info_nce", "cosine"] = "dino"
    captions: Count = 2


class WarmStart(_Part):
    """In the first ``steps`` these objectives act alone; the others join afterwards."""

    steps: Count
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)]


class Evaluation(_Part):
    """Every so many steps, and at the end, the newest checkpoint runs on ``tasks``; 0 steps: never."""

    every: Annotated[int, Field(ge=0)] = 0
    tasks: Annotated[tuple[str, ...], Field(min_length=1)] = ("shapes",)
    limit: Count | None = None


class Recipe(_Part):
    """objectives: name to weight; under uncertainty weighting it multiplies what is learned.

    init: checkpoint whose weights are the start; parts that it lacks begin at random.
    logit_scale, logit_bias: of all contrastive losses at the start; the softmax has no bias.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*$")]
    title: str
    model: ModelConfig = ModelConfig()
    data: DataPart = DataPart()
    objectives: Annotated[dict[Objective, Positive], Field(min_length=1)]
    warm_start: WarmStart | None = None
    weighting: Weighting = Weighting()
    init: str = ""
    optimiser: Optimiser
    teacher: Teacher = Teacher()
    logit_scale: Annotated[float, Field(ge=1, le=MAX_LOGIT_SCALE)] = 1 / 0.07
    logit_bias: float = -10.0
    evaluation: Evaluation = Evaluation()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    save_every: Count = 500
    keep: Count = 2
    scoring: Literal["global", "conditioned"] = "global"

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        needs_decoder = {"caption", "vqa"} & set(self.objectives)
        if needs_decoder and self.model.decoder == "none":
            raise ValueError(f"objective {min(needs_decoder)} needs model.decoder through_encoder or in_encoder")
        distils = {"distil_agnostic", "distil_conditioned"} & set(self.objectives)
        if distils and not self.data.locals:
            raise ValueError(f"objective {min(distils)} needs data.locals of 1 or more")
        if distils and self.teacher.loss == "dino" and not self.model.prototypes:
            raise ValueError(f"objective {min(distils)} with teacher.loss dino needs model.prototypes")
        if "token_classes" in self.objectives and not self.model.token_classes:
            raise ValueError("objective token_classes needs model.token_classes: true")
        for part in ("cross_modal", "grouping"):
            if part in self.objectives and not getattr(self.model, part):
                raise ValueError(f"objective {part} needs model.{part}: true")
        if "cross_modal" in self.objectives and not self.data.locals:
            raise ValueError("objective cross_modal needs data.locals of 1 or more")
        if "cross_modal" in self.objectives and self.data.globals > self.data.captions:
            raise ValueError(f"data.globals {self.data.globals} exceeds data.captions {self.data.captions}")
        if self.data.single_sentences > self.data.captions:
            raise ValueError(f"data.single_sentences exceeds data.captions {self.data.captions}")
        if self.data.locals and self.data.local_size % self.model.patch_size:
            raise ValueError(f"data.local_size {self.data.local_size} is not divisible by the patch size")
        if self.data.source == "shapes" and self.optimiser.batch_size > self.data.scenes:
            raise ValueError(f"optimiser.batch_size {self.optimiser.batch_size} exceeds data.scenes {self.data.scenes}")
        return self

    @model_validator(mode="after")
    def _start_is_part_of_it(self) -> Recipe:
        if self.warm_start is None:
            return self
        if foreign := set(self.warm_start.objectives) - set(self.objectives):
            raise ValueError(f"warm_start.objectives: {min(foreign)} is not among objectives")
        if self.warm_start.steps >= self.optimiser.steps:
            raise ValueError(f"warm_start.steps {self.warm_start.steps} leaves nothing of optimiser.steps")
        return self

    @property
    def method(self) -> str:
        """What tables call it: the trainer's other recipes are CLIP's, FLAIR's and so on, not GoldiCLIP's."""
        ours = {"distil_conditioned", "vqa"} <= set(self.objectives)
        return "GoldiCLIP-R (reconstruction)" if ours else "goldieval's trainer (reimplementation)"

    @property
    def pools(self) -> bool:
        """Whether an objective trains the text-conditioned pooling."""
        return bool({"conditioned", "distil_conditioned", "vqa", "foils_conditioned"} & set(self.objectives))

    @property
    def uses_foils(self) -> bool:
        """Whether an objective needs false captions."""
        return bool({"foils", "foils_conditioned"} & set(self.objectives))

    def active_objectives(self, step: int) -> list[Objective]:
        """Return the objectives that act in the step that has ``step`` others before it."""
        first = self.warm_start
        return list(first.objectives if first is not None and step < first.steps else self.objectives)

    @model_validator(mode="after")
    def _no_gradient_is_lost(self) -> Recipe:
        """Gradients that are being accumulated are in no checkpoint."""
        intervals = {
            "optimiser.steps": self.optimiser.steps,
            "save_every": self.save_every,
            "evaluation.every": self.evaluation.every,
        }
        for name, steps in intervals.items():
            if steps % self.optimiser.accumulate:
                raise ValueError(f"{name} {steps} is no multiple of optimiser.accumulate {self.optimiser.accumulate}")
        return self
