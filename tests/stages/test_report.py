import subprocess
import sys
from pathlib import Path

import pytest
from report_evidence import tell

from lightloop.errors import LightloopError
from lightloop.project import Project
from lightloop.stages.report import report


def test_the_loop_ends_with_a_site_and_a_card(finished: Project) -> None:
    page = (finished.reports / "index.html").read_text(encoding="utf-8")

    assert 'href="data-docs/index.html"' in page
    assert (finished.reports / "data-docs" / "index.html").is_file()
    assert (finished.reports / "model-card.md").read_text(encoding="utf-8").startswith("---\nlibrary_name: onnx\n")
    # of feature: image
    assert len(list((finished.reports / "assets" / "explanation").glob("*-input.png"))) == 10
    # end
    assert str(finished.root) not in page


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    config, project = tell(tmp_path)
    report(config, project)
    before = (project.reports / "index.html").read_bytes()
    (project.reports / "stale.html").write_text("old")

    report(config, project)

    assert not (project.reports / "stale.html").exists()
    assert (project.reports / "index.html").read_bytes() == before


def test_a_report_that_fails_leaves_the_last_one(tmp_path: Path) -> None:
    config, project = tell(tmp_path)
    report(config, project)
    before = (project.reports / "index.html").read_bytes()
    project.metrics.write_text("{")

    with pytest.raises(LightloopError, match="is not valid JSON"):
        report(config, project)

    assert (project.reports / "index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".reports")] == []


@pytest.mark.slow
def test_the_stage_needs_neither_torch_nor_lightning() -> None:
    code = (
        "import lightloop.stages.report, sys; sys.exit(any(m in sys.modules for m in ('torch', 'pytorch_lightning')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
