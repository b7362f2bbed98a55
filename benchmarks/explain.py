"""Attributions a second beside shap, pytorch-grad-cam and Captum's own classes, on one model, in one run.

    pip install -r benchmarks/requirements.txt
    python benchmarks/explain.py [RECORDS] [ROUNDS]

The model is the demo's where it was trained, else the same network after two epochs. All run in this process on one
thread, with the allocator tuned, on the same records, the same baselines and as many samples; ours and the peers take
turns, and the quickest of ROUNDS runs counts. Agreement is the correlation, mean over records, with a reference from
many more samples by Captum's class, which neither of the two compared has a part in.

Peers are used as their documentation says: networks as they are after training, default batch sizes.
shap.KernelExplainer is told not to select features (l1_reg=0), which makes it quicker and nearer to the reference.

Shapes: N records, C channels, H height, W width, S baselines, U blocks of pixels.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shap
import torch
from _common import find_project
from captum.attr import GradientShap, KernelShap, LayerGradCam, ShapleyValueSampling
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from lightloop.config.compose import compose_config
from lightloop.data.splits import read_splits
from lightloop.explanation.gradients import gradient_shap
from lightloop.explanation.maps import grad_cam
from lightloop.explanation.subject import Subject, build_subject
from lightloop.explanation.surrogates import kernel_shap
from lightloop.tasks.checkpoint import load_model
from lightloop.tasks.processor import tune_allocator
from lightloop.training.member import train_member

GRADIENTS = (50, 200)  # samples of GradientSHAP
LONG_GRADIENTS = 5000
COALITIONS = (200, 1000)  # of KernelSHAP
LONG_ORDERS = 200  # of Shapley sampling
FEW = 8  # records where each takes seconds
CAMS = 256  # records of Grad-CAM, in one batch as in ours
Maps = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """What is attributed: the trained network as it is, and ours."""

    plain: nn.Module
    subject: Subject


def find_field(records: int) -> Field:
    """The demo's model and some of its test records, with the answers that the network gives."""
    project = find_project()
    config = compose_config(
        project, ["experiment=fashion", "trainer.max_epochs=2", "tracking=none", "explain.memory=256"]
    )
    tables = read_splits(config.data, project.root, config.seed)
    if project.checkpoint.exists():
        model = load_model(project.checkpoint)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            model = load_model(train_member(config, project, scratch=Path(scratch), tables=tables).checkpoint)
    test = tables["test"].slice(0, records)
    names = [model.config.data.classes[code] for code in model.answers(test)["probabilities"].argmax(1)]
    subject = build_subject(config, model, test, test.append_column("prediction", [names]), tables["train"])
    return Field(deepcopy(model.network).eval(), subject)


def seconds(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The quickest run of each, taking turns."""
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            spent[name].append(time.perf_counter() - start)
    return {name: min(found) for name, found in spent.items()}


def agreement(maps: Any, reference: Any) -> float:
    """Pearson's correlation with the reference, mean over records."""
    first, second = (np.asarray(one, dtype=np.float64).reshape(len(one), -1) for one in (maps, reference))
    return float(np.mean([np.corrcoef(one, other)[0, 1] for one, other in zip(first, second, strict=True)]))


def report(title: str, records: int, runs: Mapping[str, Callable[[], Any]], reference: Any, rounds: int) -> None:
    """Print attributions a second, the ratio of the first to each other, and agreement."""
    maps = {name: run() for name, run in runs.items()}
    spent = seconds(runs, rounds)
    own = next(iter(runs))
    print(f"\n{title}, {records} records")
    for name in runs:
        near = "" if reference is None else f"   agreement {agreement(maps[name], reference):.3f}"
        ratio = "" if name == own else f"   ours is {spent[name] / spent[own]:5.2f} times as fast"
        print(f"  {name:32s}{records / spent[name]:9.1f} a second{near}{ratio}")


def compare_gradients(field: Field, samples: int, rounds: int) -> None:
    """GradientSHAP against shap.GradientExplainer."""
    subject = field.subject
    x, targets = subject.x_NDP, subject.targets_N
    every = torch.cat([subject.reference.baselines_SDP, subject.reference.spare_SDP])[:200]
    bf16 = replace(subject.reference, baselines_SDP=every[torch.arange(samples) % len(every)])
    full = replace(bf16, bf16=False)
    explainer = shap.GradientExplainer(field.plain, every)

    def peer() -> Maps:
        values, _ = explainer.shap_values(x, nsamples=samples, ranked_outputs=1, rseed=0)
        return np.asarray(values)[..., 0].sum(1)

    def captum() -> Tensor:
        torch.manual_seed(0)
        np.random.seed(0)
        own = GradientShap(field.plain)
        parts = [own.attribute(x[[n]], every, n_samples=samples, target=targets[[n]]) for n in range(len(x))]
        return torch.cat(parts).sum(1).detach()

    np.random.seed(1)
    torch.manual_seed(1)
    long = [
        GradientShap(subject.network).attribute(x[[n]], every, n_samples=LONG_GRADIENTS // 10, target=targets[[n]])
        for n in np.repeat(np.arange(len(x)), 10)
    ]
    reference = torch.cat(long).sum(1).unflatten(0, (len(x), 10)).mean(1)
    runs: dict[str, Callable[[], Any]] = {
        "ours, bf16" if bf16.bf16 else "ours": lambda: gradient_shap(subject.network, x, targets, bf16).sum(1),
        "ours, float32": lambda: gradient_shap(subject.network, x, targets, full).sum(1),
        "shap.GradientExplainer": peer,
        "Captum, a record a call": captum,
    }
    report(f"GradientSHAP, {samples} samples", len(x), runs, reference, rounds)


def compare_kernels(field: Field, coalitions: int, rounds: int) -> None:
    """KernelSHAP over blocks of pixels against shap.KernelExplainer."""
    part = field.subject.take(torch.arange(FEW))
    x, targets = part.x_NDP, part.targets_N
    reference = replace(part.reference, perturbations=coalitions)
    units_HW, baseline = reference.units_P, reference.baseline_DP
    assert units_HW is not None
    count, size = int(units_HW.max()) + 1, torch.bincount(units_HW.flatten())[units_HW]

    def spread(values_NU: Any) -> Maps:
        return np.asarray(torch.as_tensor(values_NU)[:, units_HW] / size)

    def peer() -> Maps:
        found = []
        for one, target in zip(x, targets, strict=True):

            def score(kept: Maps, one: Tensor = one, target: Tensor = target) -> Maps:
                own = torch.from_numpy(kept).bool()[:, units_HW][:, None]
                with torch.no_grad():
                    parts = [field.plain(torch.where(some, one, baseline)) for some in own.split(64)]
                return torch.cat(parts)[:, target].numpy()

            explainer = shap.KernelExplainer(score, np.zeros((1, count)))
            found.append(explainer.shap_values(np.ones((1, count)), nsamples=coalitions, l1_reg=0, silent=True)[0])
        return spread(np.array(found))

    def captum() -> Tensor:
        torch.manual_seed(0)
        own = KernelShap(field.plain)
        with torch.no_grad():
            parts = [
                own.attribute(
                    x[[n]], baseline[None], target=targets[[n]], feature_mask=units_HW[None, None],
                    n_samples=coalitions, perturbations_per_eval=64,
                )
                for n in range(len(x))
            ]  # fmt: skip
        return torch.cat(parts)[:, 0] / size

    torch.manual_seed(1)
    with torch.no_grad():
        long = ShapleyValueSampling(part.network).attribute(
            x, baseline[None], target=targets, feature_mask=units_HW[None, None], n_samples=LONG_ORDERS,
            perturbations_per_eval=16,
        )[:, 0] / size  # fmt: skip
    runs: dict[str, Callable[[], Any]] = {
        "ours": lambda: kernel_shap(part.network, x, targets, reference)[:, 0],
        "shap.KernelExplainer": peer,
        "Captum, a record a call": captum,
    }
    report(f"KernelSHAP, {coalitions} samples over {count} blocks", FEW, runs, long, rounds)


def compare_cams(field: Field, rounds: int) -> None:
    """Grad-CAM against pytorch-grad-cam."""
    part = field.subject.take(torch.arange(CAMS) % len(field.subject.x_NDP))
    x, targets = part.x_NDP, part.targets_N
    wanted = [ClassifierOutputTarget(int(target)) for target in targets]
    layer = field.plain.feature_maps
    assert isinstance(layer, nn.Module)

    def captum() -> Tensor:
        maps = LayerGradCam(field.plain, layer).attribute(x, target=targets, relu_attributions=True)
        return nn.functional.interpolate(maps, x.shape[2:], mode="bilinear")[:, 0].detach()

    def own() -> Tensor:
        return grad_cam(part.network, x, targets, part.reference)

    with GradCAM(field.plain, [layer]) as peer:
        runs: dict[str, Callable[[], Any]] = {
            "ours": own,
            "pytorch-grad-cam": lambda: peer(input_tensor=x, targets=wanted),
            "Captum, one batch": captum,
        }
        maps = {name: np.asarray(run()) for name, run in runs.items()}
        # An empty map has no correlation.
        some = (maps["ours"].reshape(len(x), -1).std(1) > 0) & (maps["pytorch-grad-cam"].reshape(len(x), -1).std(1) > 0)
        near = agreement(maps["ours"][some], maps["pytorch-grad-cam"][some])
        spent = seconds(runs, 3 * rounds)
    print(f"\nGrad-CAM, {len(x)} records, agreement of ours with pytorch-grad-cam {near:.3f}")
    for name in runs:
        ratio = "" if name == "ours" else f"   ours is {spent[name] / spent['ours']:5.2f} times as fast"
        print(f"  {name:32s}{len(x) / spent[name]:9.1f} a second{ratio}")


def main() -> None:
    """Print all comparisons."""
    given = [int(text) for text in sys.argv[1:]]
    records, rounds = given + [32, 3][len(given) :]
    torch.set_num_threads(1)
    tune_allocator()
    warnings.filterwarnings("ignore")
    field = find_field(records)
    compare_cams(field, rounds)
    for samples in GRADIENTS:
        compare_gradients(field, samples, rounds)
    for coalitions in COALITIONS:
        compare_kernels(field, coalitions, rounds)


if __name__ == "__main__":
    main()
