"""How far a prepared record must be moved along the gradient until the answer is wrong: FGSM and PGD, by Captum.

Shapes: N records, B batch, O outputs, H numbers of an answer, T tokens, D numbers of an embedding, F numbers.
Sources: Goodfellow et al. 2015 (FGSM, arXiv:1412.6572), Madry et al. 2018 (PGD, arXiv:1706.06083).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from captum.robust import FGSM, PGD
from torch import Tensor, nn

from lightloop.audit.scoring import Ruler
from lightloop.config.tabular import TabularSpec
from lightloop.data.targets import encode_targets
from lightloop.networks._inputs import PADDING
from lightloop.tasks.answers import build_answer
from lightloop.tasks.checkpoint import Model

BATCH = 256
# Of PGD: steps that together could go this many times as far as they may.
REACH = 2.5
METHODS = ("fgsm", "pgd")


@dataclass(frozen=True)
class Target:
    """What is attacked.

    Attributes:
        x_N: the prepared numbers that may be moved (of texts the tokens' embeddings), float32.
        extras: what else `forward` takes.
        forward: x and extras to outputs (N, O) in the target's unit.
        mask: 1 where a number may be moved, with the shape of one record.
        low, high: bounds of valid numbers, or None.
        unit: of epsilon, in `x_N`.
    """

    x_N: Tensor
    extras: tuple[Tensor, ...]
    forward: Callable[..., Tensor]
    mask: Tensor
    low: Tensor | None
    high: Tensor | None
    unit: float


def build_target(model: Model, records: pa.Table) -> Target:
    """Raw records as what is attacked: pixels, numbers of a table, steps of a series, embeddings of tokens.

    One-hot and coded categories stay as they are: a small change of them is no record.

    Raises:
        RefusedError: a record is not as the data spec says.
    """
    spec, network, preprocessor = model.config.data, model.network, model.preprocessor
    encoded = preprocessor.encode(records)
    with torch.no_grad():
        first, *rest = preprocessor(*encoded)
    if spec.modality == "text":
        with torch.no_grad():
            x_NTD = network.embed(first)  # type: ignore[operator]
        present_NT = first != PADDING
        mask_NT1 = present_NT[:, :, None].to(x_NTD.dtype)

        def of_embedded(x: Tensor, present: Tensor) -> Tensor:
            outputs: Tensor = network.forward_embedded(x, present)  # type: ignore[operator]
            return outputs

        return Target(x_NTD, (present_NT,), of_embedded, mask_NT1, None, None, float(x_NTD[present_NT].std()))

    def of_prepared(x: Tensor, *extras: Tensor) -> Tensor:
        kept, raw = extras[: len(rest)], extras[len(rest) :]
        outputs: Tensor = network(x, *kept)
        return preprocessor.restore(outputs, *raw)

    mask, low, high = torch.ones_like(first[:1]), None, None
    if spec.modality == "image":
        with torch.no_grad():
            low, high = (preprocessor(torch.full_like(encoded[0][:1], level))[0] for level in (0, 255))
    if isinstance(spec, TabularSpec):
        mask = _numbers_mask(preprocessor, first.shape[1])
    return Target(first, (*rest, *encoded), of_prepared, mask, low, high, 1.0)


def _numbers_mask(preprocessor: Any, width: int) -> Tensor:
    """1 for the columns (1, F) that come from a number; all of them where extraction has mixed columns."""
    numbers = {feature.name for feature in preprocessor.input.features if feature.kind == "number"}
    sources = preprocessor.positions[:width]
    if all(source.startswith("component ") for source in sources):
        return torch.ones(1, width)
    names = preprocessor.number_names
    moved = [s in numbers and not n.endswith(" missing") for s, n in zip(sources, names, strict=True)]
    return torch.tensor([moved], dtype=torch.float32)


def losses(model: Model, records: pa.Table) -> tuple[Callable[[Tensor, Tensor], Tensor], Tensor]:
    """The loss of each record (N,) as a function of outputs and targets, and the targets."""
    targets = encode_targets(records, model.config.data)
    answer = build_answer(model.config)
    if model.config.data.problem == "classification":
        return lambda outputs, y: nn.functional.cross_entropy(answer(outputs)[0], y, reduction="none"), targets
    return lambda outputs, y: (answer(outputs)[0] - y).square().mean(1), targets


def perturbed(
    target: Target,
    loss: Callable[[Tensor, Tensor], Tensor],
    y_N: Tensor,
    epsilon: float,
    *,
    method: str,
    steps: int,
    rows: slice,
) -> Tensor:
    """Some of the numbers moved by at most `epsilon` each, so that the loss rises.

    Args:
        target: what is attacked.
        loss: of outputs and targets, a number a record.
        y_N: the targets.
        epsilon: in the unit of `target.x_N`.
        method: "fgsm", one step along the sign of the gradient, or "pgd".
        steps: of PGD.
        rows: which records.
    """
    x, extras = target.x_N[rows].clone(), tuple(part[rows] for part in target.extras)
    mask = target.mask if len(target.mask) == 1 else target.mask[rows]
    attack: Any = FGSM(target.forward, loss) if method == "fgsm" else PGD(target.forward, loss)

    def bound(moved: Tensor) -> Tensor:
        return moved if target.low is None or target.high is None else moved.clamp(target.low, target.high)

    for one in (attack, attack.fgsm) if method == "pgd" else (attack,):
        one.bound = bound
        # Captum takes gradients below 1e-6 for none: those of a sure answer are smaller, and have a sign all the same.
        one.zero_thresh = 0.0
    with warnings.catch_warnings():
        # Captum sets what needs a gradient by itself, and says so each time.
        warnings.filterwarnings("ignore", message=".*did not already require gradients.*")
        options = {"additional_forward_args": extras, "mask": mask}
        if method == "fgsm":
            moved: Tensor = attack.perturb(x, epsilon, y_N[rows], **options)
        else:
            moved = attack.perturb(x, epsilon, REACH * epsilon / steps, steps, y_N[rows], **options)
    return moved.detach()


def attack_rows(model: Model, records: pa.Table, ruler: Ruler) -> dict[str, Any]:
    """Of robustness.json: by method, for each epsilon the metric on attacked records.

    Raises:
        RefusedError: a record is not as the data spec says.
    """
    settings = ruler.settings
    target = build_target(model, records)
    loss, y_N = losses(model, records)
    answer = model.answer()
    place = answer.names.index(ruler.problem.answer)
    network = model.network
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    network.requires_grad_(False)

    def measured(method: str, epsilon: float) -> dict[str, Any]:
        parts = []
        for start in range(0, len(records), BATCH):
            rows = slice(start, start + BATCH)
            x = target.x_N[rows]
            if epsilon:
                x = perturbed(
                    target, loss, y_N, epsilon * target.unit, method=method, steps=settings.attack_steps, rows=rows
                )
            with torch.no_grad():
                parts.append(answer(target.forward(x, *(part[rows] for part in target.extras)))[place])
        return ruler.estimate(records, torch.cat(parts).numpy())

    try:
        found = {
            method: [{"epsilon": epsilon, **measured(method, epsilon)} for epsilon in settings.epsilons]
            for method in METHODS
        }
        clean = measured("none", 0.0)
    finally:
        for parameter, needs in zip(network.parameters(), wanted, strict=True):
            parameter.requires_grad_(needs)
    unit = "deviations of the tokens' embeddings" if model.config.data.modality == "text" else "deviations of training"
    return {"n": len(records), "unit": unit, "steps": settings.attack_steps, "clean": clean, "methods": found}
