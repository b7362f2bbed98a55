"""Attribution by a linear model of the network around each record: KernelSHAP and LIME.

Both ask the network about coalitions of units: those in a coalition are as in the record, the others as in the
baseline. Captum draws coalitions one by one in Python and fits a model for each record. Here all records share them,
they go through the network in full batches, and one fit gives the coefficients of all records.

Shapes: N records, U units, C coalitions, D components, P positions.
"""

from itertools import combinations
from math import comb

import torch
from sklearn.linear_model import LinearRegression, Ridge
from torch import Tensor, nn

from lightloop.explanation.reference import Extras, Reference

# Of LIME: how fast coalitions lose weight as units are missing, as a share of the units' root, and the fit's penalty.
# Source: defaults of the authors' package for tables, github.com/marcotcr/lime.
KERNEL_WIDTH = 0.75
PENALTY = 1.0


def kernel_shap(
    network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()
) -> Tensor:
    """KernelSHAP over units: (N, 1 or D, P), spread over the unit's positions; sums to f(x) - f(baseline).

    Coalitions are drawn in pairs of complements, which halves the error; where there are few enough units all of them
    are asked, and the values are exact. Source: arXiv:1705.07874; pairs: arXiv:2012.01536.
    """
    units, share = reference.units(x_NDP)
    count = int(units.max()) + 1
    ends_2U = torch.stack([torch.zeros(count), torch.ones(count)])
    ends_N2 = ask(network, x_NDP, targets_N, reference, extras, coalitions_CU=ends_2U)
    start_N, gain_N = ends_N2[:, 0], ends_N2[:, 1] - ends_N2[:, 0]
    if count == 1:
        return gain_N.view(-1, *(1,) * units.ndim).float() * share
    coalitions_CU, weights_C = shapley_coalitions(count, reference.perturbations, reference.seed)
    scores_NC = ask(network, x_NDP, targets_N, reference, extras, coalitions_CU=coalitions_CU)
    # The last unit's value is what is left of the sum that the values must have.
    last_C1 = coalitions_CU[:, -1:]
    wanted_CN = (scores_NC - start_N[:, None]).T - last_C1 * gain_N
    fit = LinearRegression(fit_intercept=False, copy_X=False)
    fit.fit((coalitions_CU[:, :-1] - last_C1).double().numpy(), wanted_CN.double().numpy(), weights_C.double().numpy())
    rest_NU = torch.from_numpy(fit.coef_).view(len(x_NDP), count - 1)
    values_NU = torch.cat([rest_NU, (gain_N - rest_NU.sum(1))[:, None]], 1)
    return values_NU.float()[:, units] * share


def lime(network: nn.Module, x_NDP: Tensor, targets_N: Tensor, reference: Reference, extras: Extras = ()) -> Tensor:
    """LIME over units: (N, 1 or D, P), what each unit adds to the score nearby, spread over its positions.

    Each unit is in a coalition or not with equal chance; coalitions count the more, the fewer units are missing. Its
    sum promises nothing. Source: arXiv:1602.04938.
    """
    units, share = reference.units(x_NDP)
    count = int(units.max()) + 1
    generator = torch.Generator().manual_seed(reference.seed)
    coalitions_CU = torch.randint(0, 2, (reference.perturbations, count), generator=generator).float()
    coalitions_CU[0] = 1
    scores_NC = ask(network, x_NDP, targets_N, reference, extras, coalitions_CU=coalitions_CU)
    missing_C = 1 - coalitions_CU.double().mean(1)
    weights_C = (-missing_C / (2 * KERNEL_WIDTH**2)).exp()
    fit = Ridge(alpha=PENALTY).fit(coalitions_CU.double().numpy(), scores_NC.T.double().numpy(), weights_C.numpy())
    values_NU = torch.from_numpy(fit.coef_).view(len(x_NDP), count)
    return values_NU.float()[:, units] * share


def shapley_coalitions(units: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Coalitions (C, U), 0 or 1, neither empty nor full, and their weights (C,), float64, in KernelSHAP's fit.

    From the smallest and largest coalitions on, which weigh most, all of a size are taken as long as they would be
    drawn about once each anyway; the rest of `count` is drawn from the other sizes.

    Examples:
        >>> shapley_coalitions(2, 8, seed=0)[0].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    sizes = torch.arange(1, units)
    weights = 1 / (sizes * (units - sizes)).double()
    weights /= weights.sum()
    found, shares, left, begun = [], [], count, 0
    for size in range(1, units // 2 + 1):
        both = 1 if 2 * size == units else 2
        ways, weight = both * comb(units, size), both * float(weights[size - 1])
        if left * weight < ways * float(weights[begun : units - 1 - begun].sum()) * (1 - 1e-9):
            break
        members = torch.tensor(list(combinations(range(units), size)))
        some = torch.zeros(len(members), units).scatter(1, members, 1.0)
        found += [some, 1 - some][:both]
        shares.append(torch.full((ways,), weight / ways, dtype=torch.double))
        left, begun = left - ways, size
    rest = weights[begun : units - 1 - begun]
    if len(rest) and left >= 2:
        generator = torch.Generator().manual_seed(seed)
        drawn = 1 + begun + torch.multinomial(rest, left // 2, True, generator=generator)
        places = torch.rand(left // 2, units, generator=generator).argsort(1).argsort(1)
        half = (places < drawn[:, None]).float()
        found += [half, 1 - half]
        shares.append(torch.full((2 * len(half),), float(rest.sum()) / (2 * len(half)), dtype=torch.double))
    return torch.cat(found), torch.cat(shares)


@torch.no_grad()
def ask(
    network: nn.Module,
    x_NDP: Tensor,
    targets_N: Tensor,
    reference: Reference,
    extras: Extras,
    *,
    coalitions_CU: Tensor,
) -> Tensor:
    """The scores (N, C), float64, of all records with only the units of each coalition."""
    units, _ = reference.units(x_NDP)
    records, count = len(x_NDP), len(coalitions_CU)
    parts = []
    for pairs in torch.arange(records * count).split(reference.rows):
        rows, numbers = pairs // count, pairs % count
        kept = coalitions_CU[numbers][:, units].bool()
        mixed = torch.where(kept, x_NDP[rows], reference.baseline_DP)
        outputs_NO = network(mixed, *(part[rows] for part in extras))
        parts.append(outputs_NO.gather(1, targets_N[rows, None])[:, 0])
    return torch.cat(parts).view(records, count).double()
