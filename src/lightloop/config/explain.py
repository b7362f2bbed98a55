"""Which attribution methods there are, what they are for, and from when on one is not to be trusted."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from lightloop.config.base import Fraction, Frozen

ExplainMethod = Literal[
    "grad_cam",
    "grad_cam_plus_plus",
    "guided_grad_cam",
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "gradient_shap",
    "deep_lift_shap",
    "occlusion",
    "feature_ablation",
    "feature_permutation",
    "shapley_sampling",
    "kernel_shap",
    "lime",
    "attention",
]
EVERY = ("image", "tabular", "text", "series")


@dataclass(frozen=True)
class MethodTraits:
    """What a config check and a reader need to know of a method; how it is computed says `explanation.methods`.

    Attributes:
        summary: what it is, in a sentence.
        modalities: where it says something.
        needs: what the network must have: "feature_maps", "attention", or nothing.
    """

    summary: str
    modalities: tuple[str, ...] = EVERY
    needs: Literal["feature_maps", "attention"] | None = None


METHODS: dict[str, MethodTraits] = {
    "grad_cam": MethodTraits("Where the last feature maps speak for the class.", ("image",), "feature_maps"),
    "grad_cam_plus_plus": MethodTraits(
        "Grad-CAM++ on the layer whose maps do best at deletion and insertion of training records.",
        ("image",),
        "feature_maps",
    ),
    "guided_grad_cam": MethodTraits("Guided backpropagation times Grad-CAM.", ("image",), "feature_maps"),
    "saliency": MethodTraits("The size of the gradient."),
    "input_x_gradient": MethodTraits("The gradient times the record."),
    "integrated_gradients": MethodTraits(
        "Gradients along the way from the mean record; of texts and codes at the layer of the embedding."
    ),
    "gradient_shap": MethodTraits("Gradients on the ways from drawn training records: SHAP's expectation."),
    "deep_lift_shap": MethodTraits(
        "DeepLIFT's rules from drawn training records; wrong on layers that it does not know."
    ),
    "occlusion": MethodTraits(
        "How much the score falls while a window is covered: of pixels, of tokens, of steps of one channel.",
        ("image", "text", "series"),
    ),
    "feature_ablation": MethodTraits(
        "How much the score falls when a column, token, step or block of pixels is replaced by the mean record's."
    ),
    "feature_permutation": MethodTraits(
        "How much the score falls when a column, step or block of pixels has another record's value.",
        ("image", "tabular", "series"),
    ),
    "shapley_sampling": MethodTraits(
        "Shapley values of columns, steps or blocks of pixels by drawn orders.", ("image", "tabular", "series")
    ),
    "kernel_shap": MethodTraits(
        "Shapley values of columns, steps or blocks of pixels by a linear fit.", ("image", "tabular", "series")
    ),
    "lime": MethodTraits("A linear model of the network around each record.", ("image", "tabular", "series")),
    "attention": MethodTraits(
        "Where attention looked: rolled out over blocks, or the weights of pooling.", ("text", "series"), "attention"
    ),
}
assert tuple(METHODS) == get_args(ExplainMethod)


class ConceptConfig(Frozen):
    """Which training records are examples of a concept: those of some `classes`, or with some `values` of a `column`.

    Values are compared as text; `above` and `below` are bounds of a column of numbers, which belong to the concept.
    """

    classes: tuple[str, ...] = ()
    column: str | None = None
    values: tuple[str, ...] = ()
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        asked = bool(self.values) or self.above is not None or self.below is not None
        if bool(self.classes) == (self.column is not None) or asked != (self.column is not None):
            raise ValueError(
                "a concept is either `classes: [...]`, or a `column` with `values: [...]`, `above` or `below`: "
                "say one of the two"
            )
        return self


class ExplainConfig(Frozen):
    """Which attributions to compute, on how many test records, and from when on a method is not to be trusted.

    `steps` of the path of integrated gradients; `samples` drawn baselines of GradientSHAP; `perturbations` are how
    often KernelSHAP, LIME and Shapley sampling ask about a record. `memory` is what activations and their gradients may
    take, in megabytes. `precision: auto` lets GradientSHAP of images compute in bf16 where the processor can.
    `influential` training records are named for each record, of those that helped and of those that hurt most;
    `counterfactuals` are sought for each row of a table.
    `global_records` are test records, drawn at random, by which it is told what matters overall. `concepts` are what
    TCAV asks about, by name.
    """

    methods: tuple[ExplainMethod, ...] = Field(min_length=1)
    records: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=8)]
    samples: Annotated[int, Field(ge=2)]
    perturbations: Annotated[int, Field(ge=16)] = 256
    influential: Annotated[int, Field(ge=1, le=50)] = 5
    counterfactuals: Annotated[int, Field(ge=1, le=10)] = 3
    memory: Annotated[int, Field(ge=1)] = 256
    precision: Literal["auto", "32", "bf16"] = "auto"
    max_completeness_error: Annotated[float, Field(gt=0)]
    max_randomised_correlation: Fraction
    max_sensitivity: Annotated[float, Field(gt=0)] = 0.5
    min_seed_agreement: Fraction = 0.7
    global_records: Annotated[int, Field(ge=2)] = 200
    concepts: dict[str, ConceptConfig] = Field(default_factory=dict)


def check_explain(explain: ExplainConfig, data: Any, network: Any, *, has_feature_maps: bool) -> None:
    """Refuse attribution methods that say nothing here; generation is explained by its samples, not by methods.

    Args:
        explain: what is asked for.
        data: the data spec.
        network: the network's config.
        has_feature_maps: whether the network names feature maps.

    Raises:
        ValueError: a method does not fit.
    """
    if data.problem == "generation":
        return
    _check_concepts(explain, data)
    for method in explain.methods:
        traits = METHODS[method]
        if data.modality not in traits.modalities:
            option = "default" if data.modality == "image" else data.modality
            raise ValueError(
                f"explain.methods has {method}, which is for {' or '.join(traits.modalities)}, but data={data.name} is "
                f"{data.modality}: say explain={option}"
            )
        if traits.needs == "feature_maps" and not has_feature_maps:
            raise ValueError(
                f"explain.methods has {method}, but network={network.name} has no feature maps: "
                "say explain=gradients, or take a convolutional network"
            )
        pooling = getattr(network, "pooling", ())
        pools = (pooling,) if isinstance(pooling, str) else pooling
        if traits.needs == "attention" and network.name != "transformer" and "attention" not in pools:
            raise ValueError(
                f"explain.methods has {method}, but network={network.name} does not attend: "
                "say network.pooling=attention where it can, take network=transformer, or leave the method out"
            )


def _check_concepts(explain: ExplainConfig, data: Any) -> None:
    for name, concept in explain.concepts.items():
        unknown = [one for one in concept.classes if one not in data.classes]
        if unknown:
            raise ValueError(
                f"explain.concepts.{name} names the class {unknown[0]!r}, but the classes of data={data.name} are "
                f"{', '.join(data.classes) or 'none'}: name some of them"
            )
        roles = ("feature", "sensitive", "slice", "group")
        if concept.column is not None and concept.column not in data.with_role(*roles):
            raise ValueError(
                f"explain.concepts.{name} names the column {concept.column!r}, which data={data.name} does not have "
                f"as a {', '.join(roles[:-1])} or {roles[-1]} column: name one of "
                f"{', '.join(data.with_role(*roles))}"
            )
