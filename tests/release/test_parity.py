"""Every network of the project as a bundle: the whole test split answered as PyTorch answers it, whatever the batch."""

import numpy as np
import pytest
import torch
from network_examples import CASES, SMALL
from serving_world import fresh_world

from lightloop.config.signature import components
from lightloop.serving.predictor import Predictor

# A data set for each kind of records, and what the networks need to take them.
DATA = {"image": "fashion", "tabular": "loans", "text": "spam", "series": "co2"}
PREPROCESS = {"tabular": "preprocess=tabular_embedding", "ft_transformer": "preprocess=tabular_embedding"}
TOLERANCE = 1e-4  # as the gate's, which is of probabilities, and of numbers in proportion to their size


def overrides(name: str, modality: str) -> tuple[str, ...]:
    """The network in its small size, on its kind of records."""
    own = {key: list(value) if isinstance(value, tuple) else value for key, value in SMALL[name].items()}
    known = components("networks")[name].model.model_fields
    settings = tuple(f"network.{key}={value}".replace(" ", "") for key, value in own.items() if key in known)
    explain = (
        () if modality != "image" or components("networks")[name].traits["has_feature_maps"] else ("explain=gradients",)
    )
    return (f"network={name}", *settings, *explain, *([PREPROCESS[name]] if name in PREPROCESS else []))


# The exporter warns of how torch's own LSTM and GRU hold their weights, which changes nothing.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "modality"), CASES)
def test_the_bundle_of_every_network_answers_the_test_split_like_it(repository, tmp_path, name, modality):
    torch.manual_seed(0)
    world = fresh_world(repository, tmp_path / "bundle", DATA[modality], *overrides(name, modality))
    test = world.splits["test"]
    predictor = Predictor.load(world.bundle)
    judged = predictor.manifest.answer
    expected = world.model.answers(test)[judged]
    assert len(expected) == len(test) > 100
    assert expected.std() > 0
    size = max(1.0, float(np.abs(expected).max()))
    for batch_size in (256, 37):
        found = predictor.answers(test, batch_size)[judged]
        assert np.abs(found - expected).max() / size < TOLERANCE
        if predictor.classes:
            # Two classes that are equal up to rounding are no answer that differs.
            sure = np.diff(np.sort(expected, axis=1)[:, -2:], axis=1)[:, 0] > 2 * TOLERANCE
            np.testing.assert_array_equal(found.argmax(1)[sure], expected.argmax(1)[sure])
    # One record by itself: other batches, and of texts other lengths.
    for row in range(0, len(test), len(test) // 10):
        alone = predictor.answers(test.slice(row, 1))[judged]
        assert np.abs(alone - expected[row]).max() / size < TOLERANCE


@pytest.mark.slow
def test_the_bundle_of_a_generator_makes_the_same_images(repository, tmp_path):
    from gan_world import tiny_config, tiny_project
    from serving_world import fresh, written

    from lightloop.data.splits import read_splits
    from lightloop.evaluation.problem import problem_of

    project = tiny_project(tmp_path / "project")
    config = tiny_config(project)
    splits = dict(read_splits(config.data, project.root, config.seed))
    world = written(fresh(config, splits["train"]), splits, tmp_path / "bundle")
    questions = problem_of(config.data).questions(config, splits["test"])
    found = Predictor.load(world.bundle).answers(questions)["image"].astype(int)
    assert np.abs(found - world.model.answers(questions)["image"].astype(int)).max() <= 1
