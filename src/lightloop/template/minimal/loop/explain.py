"""explain: which columns each answer rests on, by integrated gradients, with a check of every attribution.

Shapes: N records, F numbers, C categories, D width of an embedding, P = F + C columns.
Source: Sundararajan et al. 2017, arXiv:1703.01365; the check is its axiom of completeness.
"""

from copy import deepcopy

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray

from lightloop.files import write_json
from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.network import MLP
from lightloop.template.minimal.loop.paths import Project
from lightloop.template.minimal.loop.trained import load, read_splits

Inputs = tuple[torch.Tensor, torch.Tensor]


def explain(config: Config, project: Project) -> None:
    """Write attributions of test records, how much each column counts on average, and whether they can be trusted."""
    trained = load(project)
    splits = read_splits(config, project)
    chosen = splits.test.sample(min(config.explain.records, len(splits.test)), random_state=config.seed).sort_index()
    records, reference = trained.tensors(chosen), trained.tensors(splits.train)
    attributions_NP, missed_N = attribute(trained.network, records, reference, config.explain.steps)
    names = [*trained.preprocessor.numbers, *trained.preprocessor.categories]
    # Attributions that do not need what the network learned tell nothing of it (arXiv:1810.03292).
    fresh_NP, _ = attribute(_fresh(trained.network, config.seed), records, reference, config.explain.steps)
    likeness = float(np.abs(_correlation(np.abs(attributions_NP).mean(0), np.abs(fresh_NP).mean(0))))
    checks = [
        {
            "name": "completeness",
            "passed": bool(np.max(missed_N) <= config.explain.tolerance),
            "value": float(np.max(missed_N)),
            "limit": config.explain.tolerance,
            "message": "the attributions of a record sum to what the network says of it, more than of the reference",
        },
        {
            "name": "fresh weights",
            "passed": likeness < 0.9,
            "value": likeness,
            "limit": 0.9,
            "message": "a network that learned nothing gives other columns weight",
        },
    ]
    importance_P = np.abs(attributions_NP).mean(0)
    order = np.argsort(-importance_P, kind="stable")
    write_json(
        project.explanation,
        {
            "method": "integrated gradients, in logits, from the mean of the training records",
            "trusted": all(check["passed"] for check in checks),
            "checks": checks,
            "importance": [{"column": names[place], "value": float(importance_P[place])} for place in order],
            "records": [
                {
                    "id": str(record),
                    "columns": {name: float(value) for name, value in zip(names, row, strict=True)},
                }
                for record, row in zip(chosen[config.data.id], attributions_NP, strict=True)
            ],
        },
    )


def attribute(
    network: MLP, records: Inputs, reference: Inputs, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Attributions (N, P) of the logit, and how much of it they miss (N,), as a share.

    They start from the mean of the reference records: of their numbers, and of the vectors of their categories.
    """
    columns = records[0].shape[1]
    with torch.no_grad():
        embedded = network.embed(*records)
        start = network.embed(*reference).mean(0, keepdim=True)
        gap_N = (network.forward_embedded(embedded) - network.forward_embedded(start)).double()
    method = IntegratedGradients(network.forward_embedded)
    parts = method.attribute(embedded.requires_grad_(), start, n_steps=steps, internal_batch_size=4096)
    parts = parts.detach().double()
    of_codes_NC = parts[:, columns:].reshape(len(parts), records[1].shape[1], -1).sum(2)
    attributions_NP = torch.cat([parts[:, :columns], of_codes_NC], 1)
    missed_N = (attributions_NP.sum(1) - gap_N).abs() / gap_N.abs().clamp(min=1.0)
    return attributions_NP.numpy(), missed_N.numpy()


def _fresh(network: MLP, seed: int) -> MLP:
    """The same network as it was before it learned anything."""
    torch.manual_seed(seed)
    fresh = deepcopy(network)
    for module in fresh.modules():
        reset = getattr(module, "reset_parameters", None)
        if reset is not None:
            reset()
    return fresh.eval()


def _correlation(one_P: NDArray[np.float64], other_P: NDArray[np.float64]) -> float:
    """Spearman's rank correlation."""
    one, other = (np.argsort(np.argsort(of, kind="stable"), kind="stable").astype(float) for of in (one_P, other_P))
    return float(np.corrcoef(one, other)[0, 1])
