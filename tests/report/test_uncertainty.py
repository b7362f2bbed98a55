"""The page where parts of the uncertainty were not measured: each says why, and the others are shown."""

from dataclasses import replace

import pytest

from lightloop.config.metrics import METRICS
from lightloop.config.schema import Config
from lightloop.data.splits import read_splits
from lightloop.project import Project
from lightloop.report.evidence import read_evidence
from lightloop.report.site import write_site

PARTS = {
    "conformal": "Sets that hold the truth",
    "abstention": "of the records are answered so",
    "disagreement": "Do errors show as disagreement?",
}
WHY = "nobody asked for it"


@pytest.mark.parametrize("left_out", [(), *((part,) for part in PARTS), ("conformal", "abstention"), tuple(PARTS)])
def test_parts_that_were_not_measured(
    finished: Project, small_config: Config, tmp_path, left_out: tuple[str, ...]
) -> None:
    evidence = read_evidence(small_config, finished, METRICS)
    assert evidence.uncertainty is not None
    there = [part for part in PARTS if evidence.uncertainty[part]["applies"] and part not in left_out]
    reasons = {part: {"applies": False, "why": WHY} for part in left_out}
    evidence = replace(evidence, uncertainty={**evidence.uncertainty, **reasons})
    records = read_splits(small_config.data, finished.root, small_config.seed)["test"]
    write_site(evidence, records, finished, tmp_path / "site")
    page = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert (WHY in page) == bool(left_out)
    assert [part for part, words in PARTS.items() if words in page] == there
