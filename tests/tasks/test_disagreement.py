"""Several answers to the same records: dropout at once or one by one is the same, and a network is left as it was."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from tables import loans, loans_config

from lightloop.config.schema import Config
from lightloop.data.preprocessor import build_preprocessor
from lightloop.networks._ensemble import Ensemble
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, build_network
from lightloop.tasks.disagreement import drops, measure_disagreement

SAMPLES = 60


def fresh(repository: Project, *overrides: str) -> tuple[Model, pa.Table]:
    config: Config = loans_config(repository, *overrides)
    splits = loans(repository, config)
    preprocessor = build_preprocessor(config)
    preprocessor.fit(splits["train"])
    torch.manual_seed(0)
    return Model(config, preprocessor.eval(), build_network(config, preprocessor.inputs).eval()), splits["test"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "network", ["mlp", "ft_transformer"]
)  # what follows the first dropout sees records alone, or not
def test_dropout_answers_scatter_about_what_they_do_one_by_one(repository: Project, network: str):
    model, test = fresh(repository, f"network={network}", "network.dropout=0.4")
    table = test.slice(0, 40)
    plain = model.answers(table)["probabilities"]
    found = measure_disagreement(model, table, samples=SAMPLES, records=10, seed=1)
    assert found is not None
    assert found.source == "dropout"
    assert found.answers_SNM.shape == (SAMPLES, 10, 2)
    assert len(set(found.answers_SNM[:, 0, 0].tolist())) > SAMPLES // 2
    with torch.random.fork_rng():
        torch.manual_seed(5)
        dropping = [module for module in model.network.modules() if drops(module)]
        for module in dropping:
            module.training = True
        one_by_one = np.stack([model.network(*model.preprocessor(*model.preprocessor.encode(table.take(found.rows))))
                               .softmax(1).detach().numpy() for _ in range(SAMPLES)])  # fmt: skip
        model.network.eval()
    # Two samples of the same distribution: means within five standard errors.
    error = np.sqrt((found.answers_SNM.var(0) + one_by_one.var(0)) / SAMPLES)
    assert (np.abs(found.answers_SNM.mean(0) - one_by_one.mean(0)) <= 5 * error + 1e-6).all()
    np.testing.assert_array_equal(model.answers(table)["probabilities"], plain)
    again = measure_disagreement(model, table, samples=SAMPLES, records=10, seed=1)
    assert again is not None
    np.testing.assert_array_equal(again.answers_SNM, found.answers_SNM)


def test_an_ensemble_is_asked_member_by_member_and_others_not_at_all(repository: Project):
    model, test = fresh(repository, "network.dropout=0.0")
    assert measure_disagreement(model, test, samples=10, records=30, seed=1) is None
    torch.manual_seed(3)
    other = build_network(model.config, model.preprocessor.inputs).eval()
    both = Model(model.config, model.preprocessor, Ensemble([model.network, other], rule="mean", classes=2).eval())
    found = measure_disagreement(both, test, samples=0, records=10**6, seed=1)
    assert found is not None
    assert (found.source, len(found.rows)) == ("ensemble", len(test))
    np.testing.assert_allclose(found.answers_SNM[0], model.answers(test)["probabilities"], atol=1e-6)
    np.testing.assert_allclose(found.answers_SNM.mean(0), both.answers(test)["probabilities"], atol=1e-6)
