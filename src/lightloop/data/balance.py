"""Making rare classes count, on the training records alone.

Shapes: N records, K classes, D draws.
"""

from collections.abc import Sequence

import numpy as np
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from lightloop.data.grouping import MISSING

SAMPLERS = {"oversample": RandomOverSampler, "undersample": RandomUnderSampler}


def class_weights(targets_N: Tensor, classes: int) -> Tensor:
    """The weight of each class (K,), float32: N / (classes that occur * records of the class).

    A class that does not occur gets 1; records weigh 1 on average.

    Args:
        targets_N: classes, int64.
        classes: K.

    Examples:
        >>> class_weights(torch.tensor([0, 0, 0, 1]), 2).tolist()
        [0.6666666865348816, 2.0]
    """
    targets = targets_N.numpy()
    present = np.unique(targets)
    weights_K = torch.ones(classes)
    weights = compute_class_weight("balanced", classes=present, y=targets)
    weights_K[torch.from_numpy(present)] = torch.from_numpy(weights).float()
    return weights_K


def reweighing(targets_N: Tensor, groups: Sequence[str]) -> Tensor:
    """The weight of each record (N,) that makes class and group independent: P(class) P(group) / P(class, group).

    float64. Records without a group weigh 1.

    Args:
        targets_N: classes, int64.
        groups: of each record, as `grouping.group_names` says.

    Source: Kamiran & Calders 2012, Data preprocessing techniques for classification without discrimination.

    Examples:
        >>> reweighing(torch.tensor([1, 1, 0, 1, 0, 0]), ["a", "a", "a", "b", "b", "b"]).tolist()
        [0.75, 0.75, 1.5, 1.5, 0.75, 0.75]
    """
    targets = targets_N.numpy()
    names = np.array(groups)
    known = names != MISSING
    weights = np.ones(len(targets))
    for name in np.unique(names[known]):
        inside = known & (names == name)
        for target in np.unique(targets[inside]):
            both = inside & (targets == target)
            weights[both] = inside.sum() * (known & (targets == target)).sum() / (known.sum() * both.sum())
    return torch.from_numpy(weights)


def resampled_rows(targets_N: Tensor, method: str, seed: int) -> Tensor:
    """Row numbers (D,), sorted, in which each class stands alike often.

    Args:
        targets_N: classes, int64.
        method: "oversample" repeats records at random, "undersample" leaves them out.
        seed: of the draws.

    Examples:
        >>> resampled_rows(torch.tensor([0, 0, 0, 1]), "oversample", 0).tolist()
        [0, 1, 2, 3, 3, 3]
    """
    sampler = SAMPLERS[method](random_state=seed)
    sampler.fit_resample(np.arange(len(targets_N))[:, None], targets_N.numpy())
    return torch.from_numpy(np.sort(sampler.sample_indices_))
