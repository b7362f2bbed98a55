"""A new feature is a line of the data spec: what prepares, checks, learns, serves and documents follows by itself."""

from pathlib import Path

import numpy as np
import pytest
from tables import ORDERS, SMALL_COLUMNS, config_of, small_frame, spec_of
from trained_table import splits_of, trained

from lightloop.project import Project
from lightloop.quality.modality import read_metadata, suite_for


@pytest.mark.parametrize("kind", ["number", "category"])
def test_one_line_brings_a_column_into_the_model(tmp_path: Path, repository: Project, kind: str) -> None:
    random = np.random.default_rng(0)
    frame = small_frame(200)
    frame["garden"] = random.normal(size=200) if kind == "number" else random.choice(["yes", "no"], 200)
    overrides = ("network=mlp", "network.hidden=[8]", "preprocess=tabular", "tracking=none")
    for columns, known in ((SMALL_COLUMNS, False), (SMALL_COLUMNS | {"garden": "feature"}, True)):
        config = config_of(repository, spec_of(tmp_path, frame, columns, orders=ORDERS), *overrides)
        model = trained(config, splits_of(config, tmp_path)["train"])
        asked = [feature.name for feature in model.preprocessor.schema.features]
        assert ("garden" in asked) is known
        suite = suite_for(config.data, read_metadata(config.data, tmp_path))
        about = {one["kwargs"].get("column") for one in suite["expectations"]}
        assert ("garden" in about) is known
