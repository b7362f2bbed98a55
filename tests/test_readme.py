"""Every command that the README shows is run here, or by the test that is named beside it."""

import re
import shlex
from pathlib import Path

import pytest
from loop_world import command, make_repository, make_would, must, run_small, whole_clone
from small_project import REPOSITORY, SMALL

from lightloop.files import read_json

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
# Commands that a test can't run inside itself, or that would change the lock; `make` is asked what it would do.
ASKED = {
    "make test": "pytest",
    "make test-all": 'pytest -m "slow or browser"',
    "make bench": "python benchmarks/run_all.py",
    "make docs": "sphinx-build",
    "make lock": "uv pip compile pyproject.toml",
}
SETUP = {"git clone <url> && cd lightloop", ". .venv/bin/activate"}
# In a whole clone, in this order.
RELEASE = [
    "make run",
    "lightloop register --commit --promote production",
    "lightloop releases",
    "lightloop rollback",
    "make check",
    "make help",
]


def shown() -> list[str]:
    """The commands of the README's code blocks, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def is_loop(line: str) -> bool:
    return line.startswith(("lightloop run", "lightloop config", "lightloop list"))


def test_every_command_has_a_test():
    assert [line for line in shown() if line not in {*ASKED, *SETUP, *RELEASE} and not is_loop(line)] == []
    assert set(shown()) >= {*ASKED, *SETUP, *RELEASE}


@pytest.mark.parametrize(("line", "does"), ASKED.items())
def test_make_would_do_what_the_readme_says(line: str, does: str):
    assert does in make_would(line)


def test_every_file_that_the_readme_links_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_the_layout_is_true():
    block = README.split("## Layout")[1].split("##")[0]
    # The name, or names, before the two spaces that part them from what they are.
    lines = re.findall(r"^( +)(\S.*?)(?: {2,}|$)", block, flags=re.MULTILINE)
    files = [name for indent, names in lines if len(indent) == 4 for name in names.split(", ")]
    rooms = [name for indent, names in lines if len(indent) == 6 for name in names.split(" ")]
    assert "dvc.yaml" in files
    assert "networks/" in rooms
    assert [name for name in files if not (REPOSITORY / name).exists()] == []
    assert [name for name in rooms if not (REPOSITORY / "src/lightloop" / name).is_dir()] == []


@pytest.mark.slow
def test_the_commands_of_the_loop(tmp_path: Path):
    project = make_repository(tmp_path / "project")
    for line in filter(is_loop, shown()):
        words = shlex.split(line)
        small = [word for word in SMALL if word.split("=")[0] not in line] if words[1] == "run" else []
        done = command(project.root, *words, *small)
        # A network that saw a few images for a moment passes no gate, which is exit code 3.
        assert done.returncode in {0, 3}, f"{line}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
    assert run_small(project.root).returncode == 3


@pytest.mark.slow
@pytest.mark.timeout(1800)  # three runs and all checks
def test_the_two_commands_and_a_release_in_a_whole_clone(tmp_path: Path):
    """`make run` on all the data, in a clone that borrows this environment; then the first release."""
    project = whole_clone(tmp_path / "lightloop")
    root = project.root
    make = ["make", "--old-file=.venv/.ready"]

    first = command(root, *make, "run")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "ACCEPTED" in first.stdout
    assert "lightloop register --commit --promote production" in first.stdout
    second = command(root, *make, "run")
    assert "none: everything was up to date" in second.stdout

    must(root, "lightloop", "register", "--commit", "--promote", "production")
    assert must(root, "git", "tag").split() == ["model#production#1", "model@v0.1.0"]
    assert "v0.1.0" in must(root, "lightloop", "releases")
    back = command(root, "lightloop", "rollback")
    assert back.returncode == 2, "there is no release before the first one"
    assert "lightloop:" in back.stderr
    third = command(root, *make, "run")
    assert "against v0.1.0" in third.stdout
    assert read_json(project.gate)["verdict"] == "accepted"
    must(root, *make, "check")
    assert "run the loop" in must(root, *make, "help")
