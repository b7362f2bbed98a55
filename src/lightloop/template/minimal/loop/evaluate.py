"""evaluate: score the test split, once, beside a simpler model."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from lightloop.files import replacing, write_json
from lightloop.template.minimal.loop.config import Config
from lightloop.template.minimal.loop.data import Preprocessor, Splits, labels
from lightloop.template.minimal.loop.metrics import METRICS, Floats, draws, interval
from lightloop.template.minimal.loop.paths import Project
from lightloop.template.minimal.loop.trained import load, read_splits


def evaluate(config: Config, project: Project) -> None:
    """Write metrics with intervals, and every test record's probabilities: the network's and the simpler model's."""
    trained = load(project)
    splits = read_splits(config, project)
    label_N = labels(splits.test, config.data)
    answers = {
        "network": trained.probabilities(splits.test),
        "baseline": baseline(splits, trained.preprocessor, config),
    }
    drawn_RN = draws(len(label_N), config.gate.resamples, config.seed)
    found = {
        who: {name: interval(name, said_N, label_N, drawn_RN, config.gate.confidence) for name in METRICS}
        for who, said_N in answers.items()
    }
    write_json(
        project.metrics,
        {
            "records": len(label_N),
            "confidence": config.gate.confidence,
            "metrics": found["network"],
            "baseline": found["baseline"],
        },
    )
    table = pa.table({"id": splits.test[config.data.id].astype(str).to_list(), "label": label_N, **answers})
    with replacing(project.predictions) as temporary:
        pq.write_table(table, temporary)
    for name, value in found["network"].items():
        print(f"{name} {value['value']:.4f} [{value['low']:.4f}, {value['high']:.4f}]", flush=True)


def baseline(splits: Splits, preprocessor: Preprocessor, config: Config) -> Floats:
    """Probabilities (N,) of a logistic regression on the same columns: what a network has to be worth."""
    parts = [_columns(part, preprocessor) for part in (splits.train, splits.test)]
    kinds = [name for name in parts[0].columns if name.startswith("category")]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encoder.set_output(transform="pandas").fit(parts[0][kinds])
    train, test = (pd.concat([part.drop(columns=kinds), encoder.transform(part[kinds])], axis=1) for part in parts)
    model = LogisticRegression(max_iter=2000, C=0.1)
    model.fit(train, labels(splits.train, config.data))
    probabilities_N: Floats = model.predict_proba(test)[:, 1]
    return probabilities_N


def _columns(table: pd.DataFrame, preprocessor: Preprocessor) -> pd.DataFrame:
    numbers_NF, codes_NC = preprocessor.encode(table)
    numbers = pd.DataFrame(numbers_NF, columns=[f"number {name}" for name in preprocessor.numbers])
    return numbers.join(pd.DataFrame(codes_NC, columns=[f"category {name}" for name in preprocessor.categories]))
