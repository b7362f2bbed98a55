"""The GAN task trained for real on a small slice: it learns, the same way each time, and its average is released."""

from pathlib import Path

import pytest
import torch
from gan_world import tiny_config, tiny_project
from learning_cases import GANS

from lightloop.data.batches import Batch
from lightloop.data.image.generation import GenerationPreprocessor
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.tasks.checkpoint import load_model
from lightloop.tasks.gan import DISCRIMINATOR_LOSSES, GENERATOR_LOSSES, Gan
from lightloop.training.member import train_member


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return tiny_project(tmp_path_factory.mktemp("gan") / "project")


def fitted(project: Project, scratch: Path, *overrides: str):
    return train_member(tiny_config(project, *overrides), project, scratch=scratch, lines=False)


def state_of(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "norm", "penalty"), GANS)
def test_its_images_come_closer_to_the_real_ones(project: Project, tmp_path: Path, loss, norm, penalty):
    chosen = (f"task.loss={loss}", f"task.norm={norm}", f"task.penalty={penalty}", "task.decay=0.9")
    member = fitted(project, tmp_path, *chosen, "trainer.max_epochs=25", "trainer.patience=25")
    distances = [row["validation_frechet"] for row in member.history]
    assert min(distances) < 0.5 * distances[0], distances


def test_the_same_config_gives_the_same_weights_and_history(project: Project, tmp_path: Path):
    first, again = (fitted(project, tmp_path / name) for name in "ab")
    assert first.history == again.history
    states = state_of(first.checkpoint), state_of(again.checkpoint)
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_the_history_has_what_the_report_draws(project: Project, tmp_path: Path):
    member = fitted(project, tmp_path)
    for row in member.history:
        assert {"epoch", "train_loss", "train_discriminator_loss", "validation_frechet", "lr"} <= row.keys()
    state = state_of(member.checkpoint)
    assert state["progress"].shape == (12, 12, 1, 8, 8)
    assert state["progress"][0].any()
    assert not state["progress"][5:].any()  # two epochs


def test_the_released_network_is_the_average(project: Project, tmp_path: Path):
    """With nearly no decay the average is the last generator; with much of it, it is another one."""
    fast = state_of(fitted(project, tmp_path / "fast", "task.decay=0.0", "trainer.max_epochs=1").checkpoint)
    slow = state_of(fitted(project, tmp_path / "slow", "task.decay=0.9", "trainer.max_epochs=1").checkpoint)
    names = [key.removeprefix("network.") for key in fast if key.startswith("network.")]
    floats = [name for name in names if fast[f"network.{name}"].is_floating_point()]
    assert floats
    for name in floats:
        assert torch.equal(fast[f"network.{name}"], fast[f"generator.{name}"])
        # The training itself does not depend on the average.
        assert torch.equal(fast[f"generator.{name}"], slow[f"generator.{name}"])
    assert any(not torch.allclose(slow[f"network.{name}"], slow[f"generator.{name}"]) for name in floats)


def test_a_checkpoint_answers_noise_with_pixels(project: Project, tmp_path: Path):
    model = load_model(fitted(project, tmp_path).checkpoint)
    import pyarrow as pa

    noise = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    images = model.answers(pa.table({"noise": noise.tolist()}))["image"]
    assert images.shape == (3, 1, 8, 8)
    assert images.dtype == "uint8"
    expected = ((model.network(noise) + 1) * 127.5).round().clamp(0, 255)
    torch.testing.assert_close(torch.from_numpy(images).float(), expected)


@pytest.mark.parametrize("name", sorted(DISCRIMINATOR_LOSSES))
def test_losses_push_the_right_way(name: str):
    scores = torch.tensor([-0.5, 0.2, 0.4], requires_grad=True)
    others = torch.tensor([0.3, -0.1, 0.6], requires_grad=True)
    DISCRIMINATOR_LOSSES[name](scores, others).backward()
    assert (scores.grad < 0).all()  # higher for real images
    assert (others.grad > 0).all()  # lower for fakes
    fakes = torch.tensor([-3.0, 0.2, 4.0], requires_grad=True)
    GENERATOR_LOSSES[name](fakes).backward()
    assert (fakes.grad < 0).all()


def test_logistic_losses_are_cross_entropy():
    real, fake = torch.randn(5), torch.randn(5)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    expected = entropy(real, torch.ones(5)) + entropy(fake, torch.zeros(5))
    torch.testing.assert_close(DISCRIMINATOR_LOSSES["logistic"](real, fake), expected)
    torch.testing.assert_close(GENERATOR_LOSSES["logistic"](fake), entropy(fake, torch.ones(5)))


@pytest.mark.parametrize("penalty", ["r1", "gradient"])
def test_penalties_are_those_of_a_known_slope(project: Project, penalty: str):
    """A discriminator that sums the pixels has a slope of one at each of the 64."""
    config = tiny_config(project)
    preprocessor = GenerationPreprocessor(config)
    task = Gan(config, torch.nn.Linear(8, 1), preprocessor, False, penalty=penalty, penalty_weight=3.0, penalty_every=2)
    weight = torch.nn.Parameter(torch.ones(()))

    class Sum(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return weight * x.flatten(1).sum(1)

    task.discriminator = Sum()
    images = torch.randn(4, 1, 8, 8)
    found = task._penalty(images, -images, seed=0, batch_idx=0)
    expected = 64 / 2 if penalty == "r1" else (8 - 1) ** 2
    torch.testing.assert_close(found.item(), 3.0 * 2 * expected)
    found.backward()
    assert weight.grad is not None
    assert weight.grad > 0
    assert task._penalty(images, -images, seed=0, batch_idx=1).item() == 0.0


def test_batches_are_real_images(project: Project):
    from lightloop.data.module import build_data

    data = build_data(tiny_config(project), project.root)
    data.setup()
    batch: Batch = next(iter(data.train_dataloader()))
    assert batch.inputs[0].shape == (50, 1, 8, 8)
    assert batch.inputs[0].dtype == torch.uint8
    scaled = GenerationPreprocessor.scale(batch.inputs[0])
    assert -1 <= scaled.min() < scaled.max() <= 1
    torch.testing.assert_close(data.preprocessor.restore(scaled), batch.inputs[0].float())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("average=ema", "say average=none"),
        ("optimizer=lbfgs", "say optimizer=adam"),
        ("scheduler=plateau", "say scheduler=constant"),
        ("trainer.gradient_clip_val=1", "trainer.gradient_clip_val is 1.0"),
        ("trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches is 2"),
        ("data.classes=[]", "data.classes at least two"),
        ("task.loss=unknown", "loss"),
    ],
)
def test_what_does_not_go_together_is_refused(project: Project, override: str, message: str):
    with pytest.raises(UsageError, match=message):
        tiny_config(project, override)


def test_generator_and_problem_belong_together(project: Project):
    from lightloop.config.compose import compose_config

    with pytest.raises(UsageError, match="say network=dcgan"):
        compose_config(project, ["experiment=fashion-gan", "network=cnn"])
    with pytest.raises(UsageError, match="network=dcgan is for generation"):
        compose_config(project, ["network=dcgan"])
