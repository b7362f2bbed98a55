"""The runner with workflows of its own: rights change from job to job, actions are replaced, nothing leaks or stays."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rehearsal.forge import BOT, Forge
from rehearsal.repository import ENVIRONMENT
from rehearsal.runner import MARK, Run, Runner, end_marked, has_mark
from rehearsal.world import ALICE

pytestmark = pytest.mark.slow

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"
PUSH = 'git push -q "http://x:${{ github.token }}@${GITHUB_SERVER_URL#http://}/$GITHUB_REPOSITORY" HEAD:refs/heads/new'


class Place:
    """A repository with workflow files, pushed to a forge."""

    def __init__(self, root: Path, forge: Forge) -> None:
        self.root, self.forge = root / "work", forge
        self.root.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> None:
        person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in ALICE.items()}
        subprocess.run(["git", *words], cwd=self.root, env=ENVIRONMENT | person, check=True)

    def push(self, **files: str) -> list[Run]:
        """Push workflow files; the runs that follow."""
        folder = self.root / ".github" / "workflows"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.yml").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "workflows")
        self.git("push", "-q", self.forge.address_for("of-alice"), "HEAD:main")
        runs = self.forge.wait()
        assert self.forge.faults == []
        return runs


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Forge(tmp_path / "forge", Runner(tmp_path / "runner")) as forge:
        yield Place(tmp_path, forge)


def job(name: str, *steps: str, more: str = "") -> str:
    lines = "".join(f"      - {step}\n" for step in steps)
    return f"  {name}:\n    runs-on: ubuntu-24.04\n{more}    steps:\n{lines}"


def test_each_job_has_its_own_rights(place: Place) -> None:
    write = "    permissions: {contents: write}\n"
    read = "    needs: a\n    permissions: {contents: read}\n"
    text = "on: push\npermissions: {}\njobs:\n"
    text += job("a", f"uses: {CHECKOUT}", f"run: {PUSH}", more=write)
    text += job("b", f"uses: {CHECKOUT}", f"run: {PUSH}2", more=read)
    (run,) = place.push(x=text)
    assert (run.jobs, run.conclusion) == ({"a": "success", "b": "failure"}, "failure")
    assert "Write access to repository not granted" in run.text
    # What the first one pushed started nothing, though `on: push` names no branch.
    assert place.forge.suppressed == [("push of refs/heads/new", f"by the workflow token of run {run.number}")]
    assert place.forge.unused_rights() == []


def test_a_right_that_no_job_needs_is_named(place: Place) -> None:
    rights = "    permissions: {contents: read, issues: write}\n"
    place.push(x="on: push\npermissions: {}\njobs:\n" + job("a", f"uses: {CHECKOUT}", more=rights))
    assert place.forge.unused_rights() == ["x.yml, a: issues"]


def test_a_job_without_a_right_to_read_gets_no_code(place: Place) -> None:
    (run,) = place.push(x="on: push\npermissions: {}\njobs:\n" + job("a", f"uses: {CHECKOUT}"))
    assert run.conclusion == "failure"
    assert "Repository not found" in run.text


def test_a_clone_is_as_deep_as_was_asked_for(place: Place) -> None:
    steps = (f"uses: {CHECKOUT}", 'run: echo "depth $(git rev-list --count HEAD) tags $(git tag | wc -l)"')
    place.push(none="on: workflow_dispatch\njobs:\n" + job("a", "run: echo"))
    place.git("tag", "-m", "t", "t1")
    place.git("push", "-q", place.forge.address_for("of-alice"), "t1")
    deep = job("a", steps[0] + "\n        with: {fetch-depth: 0}", steps[1])
    runs = place.push(deep="on: push\njobs:\n" + deep, flat="on: push\njobs:\n" + job("a", *steps))
    said = {run.workflow: next(line for line in run.text.splitlines() if "] depth" in line) for run in runs}
    assert said == {"deep.yml": "[a] depth 2 tags 1", "flat.yml": "[a] depth 1 tags 0"}


def test_artifacts_go_from_job_to_job_without_what_is_hidden(place: Place) -> None:
    make = 'run: mkdir -p out/.h sub && echo 1 > out/a && echo 2 > out/.h/b && echo 3 > "sub/c d"'
    up = [
        f"uses: {UPLOAD}\n        with: {{name: one, path: out}}",
        f"uses: {UPLOAD}\n        with: {{name: two, path: 'out/a\n\n          sub/*\n\n          !sub/x*'}}",
    ]
    down = f"uses: {DOWNLOAD}\n        with: {{path: got}}"
    text = (
        "on: push\njobs:\n"
        + job("a", make, *up)
        + job("b", down, "run: find got -type f | sort", more="    needs: a\n")
    )
    (run,) = place.push(x=text)
    assert run.conclusion == "success", run.text
    found = [line.removeprefix("[b] ") for line in run.text.splitlines() if line.startswith("[b] got/")]
    assert found == ["got/one/a", "got/two/out/a", "got/two/sub/c d"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (f"uses: {UPLOAD}\n        with: {{path: none, if-no-files-found: error}}", "No files were found"),
        (f"uses: {DOWNLOAD}\n        with: {{name: none}}", "Artifact not found for name: none"),
        ("uses: somebody/something@v1", "nothing that stands in for somebody/something"),
    ],
)
def test_what_fails_on_github_fails_here(place: Place, step: str, said: str) -> None:
    (run,) = place.push(x="on: push\njobs:\n" + job("a", step))
    assert run.conclusion == "failure"
    assert said in run.text


def test_a_label_without_a_runner_is_a_failure(place: Place) -> None:
    (run,) = place.push(x="on: push\njobs:\n" + job("a", "run: echo").replace("ubuntu-24.04", "ubuntu-24.4"))
    assert (run.conclusion, "no runner has its label" in run.text) == ("failure", True)


def test_a_called_file_has_its_own_rights_and_outputs(place: Place) -> None:
    outer = "on: push\npermissions: {}\njobs:\n  a:\n    uses: ./.github/workflows/inner.yml\n"
    outer += "    permissions: {contents: write}\n    with: {commit: abc}\n"
    inner = "on: {workflow_call: {inputs: {commit: {type: string, required: true}}}}\npermissions: {}\njobs:\n"
    rights = "    permissions: {contents: write}\n"
    inner += job("a", f"uses: {CHECKOUT}", f"run: {PUSH}", "run: echo got ${{ inputs.commit }}", more=rights)
    (run,) = place.push(inner=inner, outer=outer)
    assert run.conclusion == "success", run.text
    assert "got abc" in run.text


def test_a_file_that_asks_for_more_than_its_caller_never_begins(place: Place) -> None:
    outer = "on: push\npermissions: {}\njobs:\n  a:\n    uses: ./.github/workflows/inner.yml\n"
    inner = "on: workflow_call\njobs:\n" + job("b", "run: echo", more="    permissions: {contents: write}\n")
    (run,) = place.push(inner=inner, outer=outer)
    assert (run.conclusion, run.jobs) == ("startup_failure", {})
    assert "only allowed 'contents: none'" in run.text


def test_one_file_starts_another_with_inputs(place: Place) -> None:
    url = '"$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/actions/workflows/b.yml/dispatches"'
    body = """'{"ref": "main", "inputs": {"tag": "t1"}}'"""
    call = f"run: |\n          curl -sf -X POST -H 'Authorization: Bearer ${{{{ github.token }}}}' {url} -d {body}"
    first = "on: push\njobs:\n" + job("a", call, more="    permissions: {actions: write}\n")
    second = "on: {workflow_dispatch: {inputs: {tag: {required: true}}}}\njobs:\n"
    second += job("a", 'run: echo "### ${{ inputs.tag }}" >> $GITHUB_STEP_SUMMARY')
    one, two = place.push(a=first, b=second)
    assert (one.conclusion, two.conclusion) == ("success", "success"), one.text
    assert (two.event.actor, two.event.origin, two.summaries) == (BOT, one.number, ["### t1\n"])


def test_nothing_of_this_machine_reaches_a_step(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THIS_MACHINE", "hush")
    (place.root / ".env").write_text("ALSO=hush\n")
    (run,) = place.push(x="on: push\njobs:\n" + job("a", "run: env"))
    assert "HOME=" in run.text
    assert "SECRET_OF_THIS_MACHINE" not in run.text
    assert "GITHUB_TOKEN=" not in run.text


def test_what_a_step_left_running_is_ended(tmp_path: Path) -> None:
    text = "on: push\njobs:\n" + job("a", "run: setsid -f sleep 600 </dev/null >/dev/null 2>&1; sleep 0.2")
    runner = Runner(tmp_path / "runner")
    with Forge(tmp_path / "forge", runner) as forge:
        (run,) = Place(tmp_path, forge).push(x=text)
        assert run.conclusion == "success"
        assert len(marked(runner)) == 1
    assert marked(runner) == []


def test_a_run_that_is_under_way_is_ended(tmp_path: Path) -> None:
    text = "on: push\njobs:\n" + job("a", "run: sleep 600")
    runner = Runner(tmp_path / "runner")
    with Forge(tmp_path / "forge", runner) as forge:
        made = Place(tmp_path, forge)
        forge.wait = list  # type: ignore[method-assign] - nobody waits for it
        made.push(x=text)
        end = time.monotonic() + 60
        while not any("sleep" in process.name() for process in marked(runner)):
            assert time.monotonic() < end, "it does not begin"
            time.sleep(0.05)
    assert marked(runner) == []


def test_only_what_has_the_mark_is_ended() -> None:
    with subprocess.Popen(["sleep", "60"], env=os.environ | {MARK: "another"}) as other:
        assert end_marked("this") == []
        assert other.poll() is None
        assert end_marked("another") == [other.pid]


def marked(runner: Runner) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if has_mark(process, runner.mark)]
