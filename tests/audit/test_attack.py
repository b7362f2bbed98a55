import numpy as np
import pytest
import torch

from lightloop.audit.attack import Target, attack_rows, build_target, losses, perturbed
from lightloop.audit.scoring import sample


def linear(weight, **changes):
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    plain = {"extras": (), "mask": torch.ones(1, 3), "low": None, "high": None, "unit": 1.0}
    return Target(x_N=x, forward=lambda given: given @ weight, **(plain | changes))


def squared(outputs, y):
    return (outputs - y).square().sum(1)


WEIGHT = torch.tensor([[1.0], [-2.0], [0.5]])


def test_one_step_moves_each_number_along_the_sign_of_the_gradient():
    target, y = linear(WEIGHT), torch.full((6, 1), 100.0)
    moved = perturbed(target, squared, y, 0.1, method="fgsm", steps=1, rows=slice(2, 5))
    # The output is far below its target, so that the loss rises where the output falls.
    assert torch.allclose(moved, target.x_N[2:5] - 0.1 * WEIGHT[:, 0].sign())


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_an_attack_stays_within_reach_bounds_and_mask(method):
    low, high = torch.full((1, 3), -0.2), torch.full((1, 3), 0.2)
    target = linear(WEIGHT, mask=torch.tensor([[1.0, 0.0, 1.0]]), low=low, high=high)
    target = Target(**{**vars(target), "x_N": target.x_N.clamp(-0.2, 0.2)})
    moved = perturbed(target, squared, torch.zeros(6, 1), 0.15, method=method, steps=6, rows=slice(None))
    assert ((moved - target.x_N).abs() <= 0.15 + 1e-6).all()
    assert (moved[:, 1] == target.x_N[:, 1]).all()
    assert moved.abs().max() <= 0.2 + 1e-6
    assert (moved[:, 0] != target.x_N[:, 0]).any()


def test_many_steps_hurt_more_than_one_where_the_loss_is_curved():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 4))
    for parameter in network.parameters():
        parameter.data.mul_(4)
    target = Target(**{**vars(linear(WEIGHT)), "forward": network, "x_N": torch.randn(200, 3)})
    y = network(target.x_N).argmax(1)

    def loss(outputs, labels):
        return torch.nn.functional.cross_entropy(outputs, labels, reduction="none")

    def wrong(method, epsilon):
        moved = perturbed(target, loss, y, epsilon, method=method, steps=20, rows=slice(None))
        return float((network(moved).argmax(1) != y).float().mean())

    assert wrong("pgd", 0.3) > wrong("fgsm", 0.3) > 0
    assert wrong("pgd", 0.6) > wrong("pgd", 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fashion", "loans", "spam", "co2"])
def test_every_modality_can_be_attacked(standing, name):
    model, splits, ruler = standing(name)
    records = sample(splits["test"], ruler.config, 20)
    with torch.no_grad():
        target = build_target(model, records)
        outputs = target.forward(target.x_N, *target.extras)
    answered = model.answer()(outputs)[model.answer().names.index(ruler.problem.answer)].numpy()
    # What is attacked is the model itself.
    assert np.allclose(answered, ruler.values(model.answers(records)), atol=1e-4)
    loss, y = losses(model, records)
    moved = perturbed(target, loss, y, 0.1 * target.unit, method="pgd", steps=4, rows=slice(None))
    before, after = (loss(target.forward(x, *target.extras), y).mean() for x in (target.x_N, moved))
    assert after > before
    found = attack_rows(model, records, ruler)
    assert found["n"] == len(records)
    assert [row["epsilon"] for row in found["methods"]["pgd"]] == [0.05, 0.5]
    assert all(parameter.requires_grad for parameter in model.network.parameters())


@pytest.mark.slow
def test_one_hot_categories_are_not_moved(standing):
    model, splits, _ = standing("loans")
    mask = build_target(model, splits["test"].slice(0, 5)).mask[0]
    names = model.preprocessor.number_names
    moved = {name for name, one in zip(names, mask.tolist(), strict=True) if one}
    assert {"appinc", "netw"} <= moved
    assert not any("=" in name or "missing" in name for name in moved)
