"""The 28 tests: each can hold, and each can fail."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from registry_world import git
from score_world import KINDS, change, check, make_clone, remove, replace, write

from lightloop.cli import application as command_line
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.score.clone import Clone
from lightloop.score.outcome import POINTS
from lightloop.score.rubric import RUBRIC, SECTIONS
from lightloop.score.said import BEGIN, END, lines, markdown
from lightloop.score.score import Score, score, summed

GATE, GLOBAL = "artifacts/gate.json", "artifacts/explanation/global.json"
MONITORING, VALIDATION = "reports/monitoring.json", "artifacts/validation/result.json"
WORKFLOWS = ".github/workflows"
Break = Callable[[Project], object]


def judged(name: str) -> Break:
    """The gate says no to that check."""
    return lambda project: write(project, GATE, {"verdict": "refused", "checks": [check(name, passed=False)]})


def alarm(kind: str) -> Break:
    return lambda project: change(project, MONITORING, "windows", 0, "findings", KINDS.index(kind), "alarm", to=True)


def unlooked(kind: str) -> Break:
    def forget(project: Project) -> None:
        found = [
            {"kind": one, "name": "", "alarm": False, "sentence": one, "value": 1.0} for one in KINDS if one != kind
        ]
        write(project, MONITORING, {"windows": [{"findings": found}]})

    return forget


def without(name: str, line: str, instead: str = "true") -> Break:
    """A workflow that no longer says something."""
    return lambda project: replace(project, f"{WORKFLOWS}/{name}.yml", line, instead)


def gone(name: str) -> Break:
    return lambda project: remove(project, name)


def untagged(*tags: str) -> Break:
    return lambda project: git(project.root, "tag", "--delete", *tags)


def no_reason(project: Project) -> None:
    replace(project, "params.yaml", "why: the target turned round", "why: null")


def secret(project: Project) -> None:
    (project.root / ".dvc/config").write_text("['remote \"x\"']\n    url = s3://x\n    secret_access_key = abc\n")


def for_ever(project: Project) -> None:
    settings = yaml.safe_load((project.configs / "serve/default.yaml").read_text())
    settings["log"]["days"] = None
    (project.configs / "serve/default.yaml").write_text(yaml.safe_dump(settings))


def idle(project: Project) -> None:
    change(project, GLOBAL, "features", 0, "high", to=-0.1)


def worse(project: Project) -> None:
    write(project, GATE, {"verdict": "accepted", "checks": [check("champion")]})
    better = {"metric": "auroc", "value": 0.01, "low": -0.02}
    write(project, "artifacts/evaluation/metrics.json", {"better_than_baseline": better})


def named_in_code(project: Project) -> None:
    remove(project, "src")
    (project.root / "src/lightloop").mkdir(parents=True)
    (project.root / "src/lightloop/mine.py").write_text("FEATURES = ['loanamt', 'price', 'atotinc']")


def unchosen(project: Project) -> None:
    for path in (project.configs / "experiment").glob("loans.yaml"):
        kept = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        path.write_text("\n".join(kept) + "\n")


# By test, ways in which it fails, with words of why.
BREAKS: dict[str, list[tuple[Break, str]]] = {
    "data-1": [
        (gone("configs/expectations/loans.json"), "is missing or empty"),
        (gone(VALIDATION), "the data were not checked here"),
        (lambda project: change(project, VALIDATION, "checks", 0, "success", to=False), "the data check failed"),
        (lambda project: replace(project, "dvc.yaml", "validation/profile.json #", "training #"), "does not depend on"),
    ],
    "data-2": [
        (gone(GLOBAL), "was not measured"),
        (idle, "contribute nothing"),
        (lambda project: change(project, GLOBAL, "trusted", to=False), "no attribution method passed"),
        (lambda project: change(project, GLOBAL, "features", to=[{"name": "apr", "high": 1}]), "nothing is known of"),
    ],
    "data-3": [(judged("latency"), "did not look at latency and size"), (gone(GATE), "did not look at")],
    "data-4": [(no_reason, "does not say why"), (gone(VALIDATION), "no feature was held against the target")],
    "data-5": [
        (secret, "holds a secret"),
        (for_ever, "kept for ever"),
        (without("security", "make secrets"), "does not run `make secrets`"),
    ],
    "data-6": [
        (gone("configs/data/loans.yaml"), "does not name the columns"),
        (without("ci", "make test"), "does not run `make test`"),
        (named_in_code, "src/lightloop/mine.py names columns"),
    ],
    "data-7": [(without("ci", "pull_request:"), "on every push and pull request"), (gone("src"), "is empty")],
    "model-1": [
        (lambda project: replace(project, "params.yaml", "seed: 42", "seed: 43"), "is not committed as it is"),
        (without("retrain", "lightloop ci propose"), "opens no pull request"),
        (untagged("model@v0.1.0", "model@v0.2.0", "model#production#1"), "no version is registered"),
    ],
    "model-2": [
        (gone(MONITORING), "nothing was monitored yet"),
        (unlooked("performance"), "says nothing of performance"),
    ],
    "model-3": [(gone("configs/sweep/loans.yaml"), "names no space"), (unchosen, "does not say how its settings")],
    "model-4": [
        (gone("artifacts/comparison.json"), "nobody knows what an older model is worth"),
        (without("retrain", "schedule:", "branch_protection_rule:"), "has no schedule"),
    ],
    "model-5": [
        (judged("baseline"), "baseline is too bad"),
        (gone(GATE), "nobody compared with a simple model"),
        (worse, "may be better"),
    ],
    "model-6": [(gone("artifacts/evaluation/slices.json"), "no slice was looked at"), (judged("protected"), "too bad")],
    "model-7": [
        (gone("artifacts/evaluation/fairness.json"), "nothing was compared"),
        (judged("protected"), "protected is too bad"),
    ],
    "infrastructure-1": [
        (gone("dvc.lock"), "dvc.lock is missing"),
        (lambda project: replace(project, "dvc.lock", '"gate"', '"other"'), "knows nothing of the stage gate"),
        (gone("requirements.lock"), "requirements.lock is missing"),
        (gone("tests"), "no test compares the bytes"),
    ],
    "infrastructure-2": [(gone("tests"), "tests/networks/test_networks.py is missing")],
    "infrastructure-3": [
        (without("ci", "make run"), "does not run `make run`"),
        (without("ci", "make rehearse"), "does not run `make rehearse`"),
    ],
    "infrastructure-4": [
        (untagged("model#production#1"), "nothing stands in production"),
        (without("promote", "lightloop ci promote"), "does not run `lightloop ci promote`"),
        (gone(GATE), "nothing was judged here"),
    ],
    "infrastructure-5": [
        (gone("artifacts/explanation/result.json"), "no single record was explained"),
        (gone("artifacts/bundle/explanation.npz"), "can't explain its answers"),
        (gone("configs/debug/overfit.yaml"), "lacks a way to step through"),
    ],
    "infrastructure-6": [
        (gone("artifacts/bundle/golden.json"), "has no golden records"),
        (without("deploy", "$CANARY"), "passes no canary's share on"),
    ],
    "infrastructure-7": [
        (without("deploy", "failure() && needs", "success() && needs"), "has no job give-back"),
        (without("monitor", "lightloop ci give-back"), "rolls nothing back"),
        (untagged("model@v0.1.0"), "no earlier accepted version"),
    ],
    "monitoring-1": [
        (gone(".github/dependabot.yml"), "does not watch pip"),
        (without("nightly", "make test-all"), "does not run `make test-all`"),
        (without("nightly", "lightloop ci tell"), "tells nobody"),
    ],
    "monitoring-2": [
        (alarm("suite"), "the newest window alarms: suite"),
        (unlooked("schema"), "says nothing of schema"),
    ],
    "monitoring-3": [
        (lambda project: change(project, "artifacts/parity.json", "max_difference", to=0.5), "beyond"),
        (gone("artifacts/parity.json"), "were not compared"),
    ],
    "monitoring-4": [
        (alarm("staleness"), "the newest window alarms"),
        (without("monitor", "schedule:", "branch_protection_rule:"), "on a schedule"),
    ],
    "monitoring-5": [
        (lambda project: change(project, "artifacts/training/history.json", 0, "train_loss", to=None), "was undefined"),
        (gone("artifacts/training/history.json"), "no training is recorded"),
    ],
    "monitoring-6": [
        (alarm("latency"), "the newest window alarms"),
        (without("nightly", "lightloop ci bench"), "does not run `lightloop ci bench`"),
    ],
    "monitoring-7": [(alarm("performance"), "the newest window alarms"), (gone(MONITORING), "nothing was monitored")],
}
CASES = [(name, number) for name, breaks in BREAKS.items() for number in range(len(breaks))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, repository: Project) -> Project:
    return make_clone(tmp_path_factory.mktemp("score"), repository)


@pytest.fixture
def clone(whole: Project, tmp_path: Path) -> Project:
    shutil.copytree(whole.root, tmp_path / "clone", symlinks=True)
    return Project(tmp_path / "clone")


def test_all_28_hold_where_all_is_there(whole: Project) -> None:
    found = score(whole)
    assert {one.id: one.why for one in found.tests if one.state != "holds"} == {}
    assert (found.score, found.held, found.sections) == (7, 28, dict.fromkeys(SECTIONS, 7))
    assert "28 of 28 hold by themselves; ML Test Score 7 of 7: exceptional" in lines(found)


def test_every_test_of_the_paper_is_there_and_can_fail() -> None:
    assert [one.id for one in RUBRIC] == [f"{section}-{number}" for section in SECTIONS for number in range(1, 8)]
    assert list(BREAKS) == [one.id for one in RUBRIC]


@pytest.mark.parametrize(("name", "number"), CASES, ids=str)
def test_it_fails_where_its_evidence_does(clone: Project, name: str, number: int) -> None:
    breaks, words = BREAKS[name][number]
    breaks(clone)
    outcome = next(one for one in RUBRIC if one.id == name).look(Clone(clone))
    assert outcome.state == "fails"
    assert words in outcome.why


def test_without_a_sensitive_column_a_person_has_to_speak(clone: Project) -> None:
    write(clone, "artifacts/evaluation/fairness.json", {"applies": False, "why": "none"})
    look = next(one for one in RUBRIC if one.id == "model-7").look
    assert look(Clone(clone)).state == "manual"
    text = (clone.params).read_text()
    (clone.params).write_text(text[: text.index("  factors:")] + text[text.index("  metrics_why:") :])
    assert look(Clone(clone)).state == "owed"


def test_what_was_done_by_hand_counts_half(clone: Project) -> None:
    remove(clone, "artifacts/comparison.json")
    assert score(clone).score == 6
    (clone.root / "ml-test-score.yaml").write_text("model-4: 2026-11-20, Ada compared last year's model by hand\n")
    found = score(clone)
    assert (found.score, found.held) == (6.5, 27)
    assert "Ada" in next(one.why for one in found.tests if one.id == "model-4")


@pytest.mark.parametrize(
    ("content", "says"),
    [("model-9: x", "names 'model-9'"), ("model-4: 3", "must give a test's id what was done"), ("a: [", "no")],
)
def test_notes_by_hand_are_checked(clone: Project, content: str, says: str) -> None:
    (clone.root / "ml-test-score.yaml").write_text(content)
    with pytest.raises(UsageError, match=says if says != "no" else "is not valid YAML"):
        score(clone)


def test_the_score_is_the_least_of_the_sections(whole: Project) -> None:
    tests = [
        one.model_copy(update={"state": "fails", "points": POINTS["fails"]}) if one.id == "data-2" else one
        for one in score(whole).tests
    ]
    assert summed(tests).score == 6
    assert summed(tests).sections == {"data": 6, "model": 7, "infrastructure": 7, "monitoring": 7}


def test_the_command_prints_and_writes_a_page(
    clone: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone.root)
    monkeypatch.setattr("sys.argv", ["lightloop", "score", "--json"])
    command_line.main()
    assert Score.model_validate_json(capsys.readouterr().out).held == 28
    page = (clone.reports / "score.html").read_text()
    assert all(one.title.split("'")[0] in page for one in RUBRIC)
    assert (clone.reports / "assets/site.css").exists()


def test_the_page_of_the_docs_is_that_of_the_code(repository: Project) -> None:
    text = (repository.root / "docs/ml-test-score.md").read_text(encoding="utf-8")
    made = text[text.index(BEGIN) : text.index(END) + len(END)]
    assert made == markdown(), "write it anew: lightloop score --markdown"
