"""The name in every spelling, wherever the template's name stands."""

import subprocess

import pytest

from lightloop.project import Project
from lightloop.template.making.naming import TEMPLATE, WORD, Name, rename_text, rename_tree

NAME = Name("Churn at Acme")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import lightloop\n", "import churn_at_acme\n"),
        ("from wandb_world import environment, lightloop\n", "from wandb_world import environment, churn_at_acme\n"),
        ("from lightloop.cli import main", "from churn_at_acme.cli import main"),
        ("class LightloopError(Exception):", "class ChurnAtAcmeError(Exception):"),
        ('lightloop = "lightloop.cli:main"', 'churn-at-acme = "churn_at_acme.cli:main"'),
        ('packages = ["lightloop"]', 'packages = ["churn_at_acme"]'),
        ('name = "lightloop"', 'name = "churn-at-acme"'),
        ('(sys.executable, "-m", "lightloop", "serve")', '(sys.executable, "-m", "churn_at_acme", "serve")'),
        ('command(root, "lightloop", "run")', 'command(root, "churn-at-acme", "run")'),
        ("def lightloop(project):", "def churn_at_acme(project):"),
        ("`lightloop run`, or `python -m lightloop run`", "`churn-at-acme run`, or `python -m churn_at_acme run`"),
        ("COPY src/lightloop /opt/app/lightloop", "COPY src/churn_at_acme /opt/app/churn_at_acme"),
        ("/var/lib/lightloop and .lightloop/log", "/var/lib/churn-at-acme and .churn-at-acme/log"),
        ("X-Lightloop-Release or x-lightloop-release", "X-Churn-At-Acme-Release or x-churn-at-acme-release"),
        (r"from (lightloop[\w.]*) import", r"from (churn_at_acme[\w.]*) import"),
        (r"^lightloop\.data", r"^churn_at_acme\.data"),
        ('"-m",\n        "lightloop",\n', '"-m",\n        "churn_at_acme",\n'),
        ("'load_run' in dir(lightloop)", "'load_run' in dir(churn_at_acme)"),
        ("name.startswith('lightloop.')", "name.startswith('churn_at_acme.')"),
        ("the loop (lightloop), run by `lightloop`.", "the loop (churn-at-acme), run by `churn-at-acme`."),
        ("lightloop_requests_total", "churn_at_acme_requests_total"),
        ("vars.LIGHTLOOP_LOG", "vars.CHURN_AT_ACME_LOG"),
        ("Lightloop's packages.", "Churn at Acme's packages."),
        ("lightloop-monitoring: loans", "churn-at-acme-monitoring: loans"),
        ("clone lightloop.git, then lightloop.", "clone churn-at-acme.git, then churn-at-acme."),
    ],
)
def test_each_place_gets_the_spelling_that_fits(before: str, after: str):
    assert rename_text(before, NAME) == after


def test_a_name_of_one_word_is_the_same_everywhere_but_for_capitals():
    text = "lightloop Lightloop LIGHTLOOP_X .lightloop lightloop_a lightloop-b LightloopError"
    assert rename_text(text, Name("Churn")) == "churn Churn CHURN_X .churn churn_a churn-b ChurnError"


def test_files_and_folders_are_renamed_and_bytes_that_are_hashed_are_not(tmp_path):
    for name, text in {
        "src/lightloop/cli/lightloop_page.py": "import lightloop.cli\n",
        "docs/a.md": "`lightloop run`\r\n",
        "storage/files/md5/aa/lightloop": "lightloop",
        "data/texts/a.txt": "lightloop",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "docs/picture.png").write_bytes(b"\0lightloop")
    (tmp_path / "run.sh").write_text("lightloop run\n")
    (tmp_path / "run.sh").chmod(0o755)
    rename_tree(tmp_path, NAME)
    assert (tmp_path / "src/churn_at_acme/cli/churn_at_acme_page.py").read_text() == "import churn_at_acme.cli\n"
    assert (tmp_path / "docs/a.md").read_bytes() == b"`churn-at-acme run`\r\n"
    assert (tmp_path / "run.sh").stat().st_mode & 0o111
    assert (tmp_path / "storage/files/md5/aa/lightloop").read_text() == "lightloop"
    assert (tmp_path / "data/texts/a.txt").read_text() == "lightloop"
    assert (tmp_path / "docs/picture.png").read_bytes() == b"\0lightloop"


def test_the_templates_own_name_changes_nothing(tmp_path):
    (tmp_path / "a.py").write_text("import lightloop\n")
    rename_tree(tmp_path, TEMPLATE)
    assert (tmp_path / "a.py").read_text() == "import lightloop\n"


@pytest.mark.slow
@pytest.mark.parametrize("title", ["Churn at Acme", "Q"])
def test_all_code_of_the_repository_is_code_under_another_name(repository: Project, title: str):
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=repository.root, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    read = [(name, repository.root / name) for name in listed if name and (repository.root / name).exists()]
    assert len(read) > 800
    for name, path in read:
        if name.startswith(("src/lightloop/template/making", "tests/template/making")):
            continue
        text = rename_text(path.read_text(encoding="utf-8"), Name(title))
        compile(text, name, "exec", dont_inherit=True)
        assert WORD.search(text) is None
