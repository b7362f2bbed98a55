"""The exported preprocessing answers as scikit-learn does, for every method by name, on records with gaps."""

from typing import Any, get_args

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pytest
from tables import loans, loans_config, with_gaps

from lightloop.config.tabular import TabularPreprocess
from lightloop.data.tabular.preprocessor import TabularPreprocessor
from lightloop.project import Project

# Each name stands here once at least: `test_every_method_is_compared`.
COMBINED: list[dict[str, Any]] = [
    {"missing": "mean", "scale": "standard", "categories": "one_hot", "selection": "mutual_information"},
    {"missing": "median", "scale": "quantile", "categories": "ordinal", "outliers": "z_score"},
    {"missing": "mode", "scale": "min_max", "scale_range": (-1.0, 1.0), "categories": "embedding", "outliers": "iqr"},
    {"missing": "constant", "constant": -7.0, "scale": "robust", "selection": "variance", "min_variance": 0.01},
    {"missing": "knn", "categories": "hashing", "selection": "l1", "indicator": False},
    {"missing": "iterative", "rounds": 2, "selection": "recursive", "log": ("loanamt", "liq"), "extraction": "pca"},
    {"outliers": "isolation_forest", "outlier_action": "flag", "selection": "model", "extraction": "lda"},
    {"outliers": "z_score", "outlier_action": "flag", "outlier_limit": 2.0, "scale": "none"},
]
SINGLE: list[dict[str, Any]] = [
    {name: method}
    for name in ("missing", "scale", "categories", "selection", "extraction")
    for method in get_args(TabularPreprocess.model_fields[name].annotation)
] + [
    {"outliers": method, "outlier_action": action}
    for method, action in (("iqr", "clip"), ("iqr", "flag"), ("z_score", "clip"), ("z_score", "flag"))
]


def compare(project: Project, settings: dict[str, Any], records: int) -> None:
    config = loans_config(project)
    config = config.model_copy(update={"preprocess": TabularPreprocess(name="tabular", **settings)})
    splits = loans(project, config)
    preprocessor = TabularPreprocessor(config)
    preprocessor.fit(splits["train"].slice(0, records))
    # What was stored answers, not what was fitted.
    stored = TabularPreprocessor(config)
    stored.load_files(preprocessor.files())
    asked = pa.concat_tables([splits["test"], with_gaps(splits["test"], config.data)]).slice(300, 300)
    expected = preprocessor.encode(asked)

    graph = stored.encoding_graph()
    assert graph is not None
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    numbers_NF, codes_NC = session.run(["numbers", "codes"], stored.input.encode(asked, {}))
    assert numbers_NF.shape == tuple(expected[0].shape)
    assert numbers_NF.shape[1] == len(stored.number_names) == len(stored.encoder.sources)
    assert np.isfinite(numbers_NF).all()
    wanted_NF = expected[0].numpy()
    assert (np.abs(numbers_NF - wanted_NF) <= 1e-4 * np.maximum(1, np.abs(wanted_NF))).all()
    assert codes_NC.dtype == np.int64
    assert np.array_equal(codes_NC, expected[1].numpy())
    for prepared, other in zip(stored(*expected), preprocessor(*expected), strict=True):
        assert prepared.equal(other)
    assert stored(*expected)[0].shape[1] == stored.inputs.numbers


@pytest.mark.parametrize("settings", COMBINED, ids=lambda settings: "-".join(map(str, settings.values())))
def test_methods_together_answer_as_scikit_learn_does(repository, settings):
    compare(repository, settings, records=400)


@pytest.mark.slow
@pytest.mark.parametrize("settings", SINGLE, ids=lambda settings: "-".join(map(str, settings.values())))
def test_each_method_answers_as_scikit_learn_does(repository, settings):
    compare(repository, settings, records=2000)


@pytest.mark.parametrize("name", ["missing", "scale", "categories", "selection", "extraction", "outliers"])
def test_every_method_is_compared(name):
    field = TabularPreprocess.model_fields[name]
    compared = {settings.get(name, field.default) for settings in COMBINED}
    assert compared == set(get_args(field.annotation))
