"""A finished run read back: every figure is that of the evidence, and what is missing says which stage makes it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from loop_world import command, commit_all, must
from small_project import REPOSITORY

import lightloop
from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.runs.explanations import Explanations
from lightloop.runs.run import Run
from lightloop.runs.source import MADE_BY, Source


@pytest.fixture(scope="module")
def run(finished: Project) -> Run:
    return lightloop.load_run(finished.root)


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, lightloop; assert 'load_run' in dir(lightloop)\n"
        "print([n for n in sys.modules if n.startswith('lightloop.') or n in ('numpy', 'pandas', 'torch', 'pydantic')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.stdout.splitlines()[0] == "[]", done.stderr
    with pytest.raises(AttributeError, match="has no attribute 'load_runs'"):
        _ = lightloop.load_runs


def test_opening_a_run_loads_neither_torch_nor_dvc(finished: Project):
    code = "import sys, lightloop\nrun = lightloop.load_run()\nrun.metrics, run.gate, run.predictor, run.audit\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules, 'dvc' in sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
        cwd=finished.configs / "network",  # anywhere in the project
    )
    assert done.stdout.strip() == "False False", done.stderr


def test_metrics_are_those_of_the_evidence(run: Run, finished: Project):
    written = read_json(finished.metrics)
    assert list(run.metrics.index) == list(written["metrics"])
    for name, row in run.metrics.iterrows():
        assert (row["value"], row["low"], row["high"]) == tuple(written["metrics"][name].values())
        assert row["baseline"] == written["baseline"][name]["value"]
    assert run.metrics.loc["log_loss", "direction"] == "lower"
    assert run.gain == written["better_than_baseline"]


def test_predictions_and_probabilities_belong_together(run: Run):
    accuracy = run.metrics.loc["accuracy", "value"]
    assert run.predictions["error"].mean() == pytest.approx(1 - accuracy)
    assert (run.predictions["error"] == (run.predictions["label"] != run.predictions["prediction"])).all()
    assert (run.probabilities.idxmax(axis=1) == run.predictions["prediction"]).all()
    np.testing.assert_allclose(run.probabilities.sum(axis=1), 1, atol=1e-5)
    assert list(run.records("test").index) == list(run.predictions.index)
    with pytest.raises(UsageError, match="there is no split 'holdout': there is train, validation, test"):
        run.records("holdout")


def test_the_rest_of_the_evidence_is_there(run: Run, finished: Project):
    assert run.name == run.config.name == "fashion"
    assert run.gate.word == read_json(finished.gate)["verdict"]
    assert run.gate.accepted == (run.gate.word == "accepted")
    assert run.gate.checks["name"].iloc[0] == read_json(finished.gate)["checks"][0]["name"]
    assert len(run.history) == 2
    assert run.classes["label"].tolist() == list(run.config.data.classes)
    assert {"confidence", "accuracy", "accuracy_low", "n"} <= set(run.calibration.columns)
    assert run.calibration["n"].sum() == len(run.predictions)
    assert run.slices.empty
    assert run.fairness.empty
    assert set(run.audit) >= {"robustness", "labels"}
    assert run.uncertainty["applies"]
    assert run.report.is_file()
    assert str(finished.root) in repr(run)


def test_the_released_model_answers_as_it_was_evaluated(run: Run):
    answers = run.ask(run.records("test").head(7))
    assert list(answers.index) == list(run.predictions.index[:7])
    expected = run.probabilities.head(7)
    np.testing.assert_allclose(answers[list(run.config.data.classes)], expected, atol=1e-4)
    assert (answers["label"] == run.predictions["prediction"].head(7)).all()
    with pytest.raises(UsageError, match="there is no record to ask about"):
        run.ask(run.records("test").head(0))


def blocks() -> list[str]:
    """The Python of docs/explore.md."""
    page = (REPOSITORY / "docs/explore.md").read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(found) == 2
    return found


def test_the_page_shows_what_runs(finished: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(finished.root)
    names: dict[str, object] = {}
    exec(blocks()[0], names)
    assert isinstance(names["run"], Run)


def test_every_attribute_of_the_page_is_there(run: Run):
    page = (REPOSITORY / "docs/explore.md").read_text(encoding="utf-8")
    table = page.partition("| attribute | what |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", table, flags=re.MULTILINE)
    told = {re.split(r"\W", name)[0] for names, _ in rows for name in re.findall(r"`([^`]+)`", names)}
    public = {name for name in dir(Run) if not name.startswith("_")} | {"source"}
    assert told | {"source"} == public
    for names, said in rows:
        if names == "`explanations`":
            inner = {re.split(r"\W", name)[0] for name in re.findall(r"`([^`]+)`", said)}
            assert inner <= {name for name in dir(Explanations) if not name.startswith("_")}


def test_explanations_of_images_are_pictures(run: Run):
    explanations = run.explanations
    assert explanations.noun == "pixels"
    assert explanations.best in explanations.methods.index
    first = explanations.records.index[0]
    assert explanations.attributions().shape == (len(explanations.records), 28, 28)
    assert explanations.picture(first).read_bytes().startswith(b"\x89PNG")
    assert set(explanations.checks().columns) >= {"value", "threshold", "passed"}
    with pytest.raises(UsageError, match=r"attributions of .* are pixels: `picture"):
        explanations.of(first)
    with pytest.raises(UsageError, match="'nobody' is not among the 10 explained records, such as "):
        explanations.of("nobody")
    with pytest.raises(UsageError, match="'lime' did not explain this run: there is grad_cam"):
        explanations.attributions("lime")
    with pytest.raises(UsageError, match="there is no picture of 'nobody'"):
        explanations.picture("nobody")


def small_explanations(root: Path) -> Explanations:
    project = Project(root)
    methods = {
        "first": {"trusted": False, "reasons": ["noise"], "checks": {"infidelity": {"value": 0.4, "passed": False}}},
        "second": {
            "trusted": True,
            "reasons": [],
            "checks": {"infidelity": {"value": 0.1, "passed": True}},
            "importance": [
                {"name": "age", "value": 0.1, "low": 0.0, "high": 0.2},
                {"name": "sex", "value": 0.3, "low": 0.2, "high": 0.4},
            ],
        },
    }
    records = [{"id": "a", "label": "yes", "prediction": "no", "kind": "wrong", "probability": 0.6}]
    write_json(project.explanation_result, {"noun": "columns", "methods": methods, "records": records})
    parts = {
        "id": "a",
        "parts": ["age", "sex"],
        "values": [41.0, "f"],
        "attributions": {"first": [1, 2], "second": [3, 4]},
    }
    write_json(project.explanation_images / "records.json", [parts])
    return Explanations(Source(project))


def test_explanations_of_a_table_are_parts_with_values(tmp_path: Path):
    explanations = small_explanations(tmp_path)
    assert explanations.best == "second", "the first that passed its checks"
    assert explanations.of("a").values.tolist() == [["age", 41.0, 3], ["sex", "f", 4]]
    assert explanations.of("a", "first")["attribution"].tolist() == [1, 2]
    assert explanations.importance().index.tolist() == ["sex", "age"]
    assert explanations.methods.loc["first", "reasons"] == "noise"
    with pytest.raises(LightloopError, match=r"global.json is missing: `lightloop run --until explain` makes it"):
        _ = explanations.overall


def test_a_run_without_attributions_says_so(tmp_path: Path):
    write_json(Project(tmp_path).explanation_result, {"applies": False, "why": "Nothing is decided."})
    explanations = Explanations(Source(Project(tmp_path)))
    assert not explanations.applies
    assert explanations.methods.empty
    assert explanations.records.empty
    with pytest.raises(LightloopError, match="this run has no attributions"):
        _ = explanations.best


def test_samples_of_a_generator_have_no_attributions(tmp_path: Path):
    project = Project(tmp_path)
    methods = {"memorisation": {"trusted": True, "reasons": [], "checks": {"close_share": {"value": 0.1}}}}
    records = [{"id": "s0", "prediction": "a", "distance": 1.5, "nearest": "t7", "nearest_label": "a"}]
    write_json(project.explanation_result, {"n": 1, "methods": methods, "records": records})
    project.explanation_images.mkdir()
    np.savez(project.attributions, ids=np.array(["s0"]), distances=np.array([1.5]))
    explanations = Explanations(Source(project))
    assert explanations.checks().loc["close_share", "value"] == 0.1
    assert explanations.records.loc["s0", "nearest"] == "t7"
    with pytest.raises(UsageError, match="generated samples have no attributions: `records` says which training"):
        explanations.of("s0")
    with pytest.raises(UsageError, match="generated samples have no attributions"):
        explanations.attributions()


ASKED = {
    "metrics": "evaluate",
    "predictions": "evaluate",
    "calibration": "evaluate",
    "history": "train",
    "gate": "gate",
    "audit": "audit",
    "predictor": "compress",
    "report": "report",
}


@pytest.mark.parametrize(("what", "stage"), ASKED.items())
def test_what_is_missing_says_which_stage_makes_it(tmp_path: Path, what: str, stage: str):
    (tmp_path / "configs").mkdir()
    (tmp_path / "dvc.yaml").touch()
    with pytest.raises(LightloopError, match=f"is missing: `lightloop run --until {stage}` makes it"):
        getattr(lightloop.load_run(tmp_path), what)


def test_every_output_of_the_pipeline_belongs_to_the_stage_that_makes_it(repository: Project):
    from lightloop.loop import read_pipeline

    for stage, content in read_pipeline(repository).items():
        for entry in [*content.get("outs", []), *content.get("metrics", []), *content.get("plots", [])]:
            name = entry if isinstance(entry, str) else next(iter(entry))
            known = [made for start, made in MADE_BY.items() if name.startswith(start)]
            assert known in ([stage], []), name


def test_damaged_evidence_is_a_sentence(finished: Project, tmp_path: Path):
    root = tmp_path / "damaged"
    shutil.copytree(finished.root, root, ignore=shutil.ignore_patterns(".git"))
    project = Project(root)
    project.metrics.write_text("{")
    project.predictions.write_bytes(b"PAR1")
    run = lightloop.load_run(root)
    with pytest.raises(LightloopError, match="is not valid JSON"):
        _ = run.metrics
    with pytest.raises(LightloopError, match="is not a whole table of predictions"):
        _ = run.predictions


def test_wrong_places_and_revisions_are_refused(finished: Project, tmp_path: Path):
    with pytest.raises(UsageError, match="is not inside a Lightloop project"):
        lightloop.load_run(tmp_path)
    with pytest.raises(UsageError, match="git knows no revision 'nope', and the registry no version or stage"):
        lightloop.load_run(finished.root, rev="nope")


@pytest.mark.slow
def test_a_run_of_another_revision_is_read_from_git_and_dvc(copy: Project, monkeypatch: pytest.MonkeyPatch):
    commit_all(copy.root, "a run")
    must(copy.root, "git", "tag", "-a", "model@v0.1.0", "-m", "first")
    must(copy.root, "git", "tag", "-a", "model#production#1", "-m", "serve")
    now = lightloop.load_run(copy.root)
    told = now.metrics.loc["accuracy", "value"], now.predictions["error"].sum(), len(now.explanations.records)
    # Afterwards everything here is another's.
    shutil.rmtree(copy.root / "artifacts")
    shutil.rmtree(copy.reports)
    with pytest.raises(LightloopError, match="is missing: `lightloop run --until evaluate` makes it"):
        _ = lightloop.load_run(copy.root).metrics
    for rev in ("HEAD", "v0.1.0", "production", "model@v0.1.0"):
        past = lightloop.load_run(copy.root, rev=rev)
        assert (past.metrics.loc["accuracy", "value"], past.predictions["error"].sum()) == told[:2]
        assert len(past.explanations.records) == told[2]
    assert past.explanations.attributions().shape[0] == told[2]
    assert past.config.name == "fashion"
    assert len(past.ask(past.records("test").head(3))) == 3
    assert past.report.is_file()
    assert not (copy.root / "artifacts").exists()
    assert command(copy.root, "git", "status", "--porcelain", ".lightloop").stdout == ""
    names: dict[str, object] = {}
    must(copy.root, "git", "commit", "-q", "--allow-empty", "-m", "another")
    must(copy.root, "git", "checkout", "-q", ".")
    monkeypatch.chdir(copy.root)
    exec(blocks()[1], names)
    now_and_before = (names["now"], names["before"])
    assert all(isinstance(one, Run) for one in now_and_before)
    # What is neither in the cache nor in the remote.
    shutil.rmtree(copy.root / ".dvc/cache")
    shutil.rmtree(copy.scratch / "revisions")
    lost = lightloop.load_run(copy.root, rev="v0.1.0")
    assert lost.metrics.loc["accuracy", "value"] == told[0], "which is in git"
    with pytest.raises(LightloopError, match=r"predictions.parquet of v0.1.0 \(\w+\) is neither in DVC's cache nor in"):
        _ = lost.predictions
    with pytest.raises(LightloopError, match=r"reports of v0.1.0 \(\w+\) is neither in DVC's cache nor in"):
        _ = lost.report
    before = must(copy.root, "git", "rev-list", "--max-parents=0", "HEAD").strip()
    with pytest.raises(
        LightloopError, match=r"metrics.json was not part of \w+ \(\w+\): its evaluate stage had not run"
    ):
        _ = lightloop.load_run(copy.root, rev=before).metrics
