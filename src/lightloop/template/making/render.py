"""The template as the project that somebody asked for: a function of a tree and of answers, and of nothing else.

`init` uses it once. `update` uses it twice, on the tree of an older version and on that of a newer one, so that what
lies between the two results is what the template changed, in the project's own words. It works on trees of versions
that knew nothing of it: what is not there is passed over.
"""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Final

from lightloop.errors import LightloopError, UsageError
from lightloop.template.making.answers import EMBEDDED, Answers
from lightloop.template.making.demos import drop_experiments
from lightloop.template.making.licences import spdx, write_licence
from lightloop.template.making.naming import Name, rename_tree, text_of, tree_files, write_same_mode
from lightloop.template.making.readme import write_readme

# Of the template alone: a project that was made has no use for it.
OWN: Final = (
    "CHANGELOG.md",
    "docs/changes.md",
    "docs/make-it-yours.md",
    "src/lightloop/cli/init.py",
    "src/lightloop/template/features.toml",
    "src/lightloop/template/making",
    "src/lightloop/template/minimal",
    "src/lightloop/template/slim",
    "src/lightloop/template/versions.toml",
    "tests/template/making",
    "tests/template/minimal",
    "tests/template/slim",
    "tests/lean_trees.py",
    "tests/made_projects.py",
    "tests/template_world.py",
    "benchmarks/variants.py",
)
# Lines between these are its own, too, in files that stay.
_OWN_LINES = re.compile(
    r"^[ \t]*(?:#|<!--|//) of the template alone\b[^\n]*\n.*?^[ \t]*(?:#|<!--|//) end of the template's own\b[^\n]*\n",
    re.MULTILINE | re.DOTALL,
)
FEATURES: Final = "src/lightloop/template/features.toml"
MAKING: Final = "making"
# What leads to its pages: lines of lists, and links in a sentence.
_PAGES = r"\((?:[^)\s]*/)?(?:make-it-yours|changes|CHANGELOG)\.md(?:#[^)]*)?\)"
_LISTED = re.compile(rf"^- \[[^\]]+\]{_PAGES}[^\n]*\n", re.MULTILINE)
_LINKED = re.compile(rf"\[([^\]]+)\]{_PAGES}")
AUTHORS: Final = "The Lightloop authors"
# The template's README tells how the loop works; the project's own says what the project is.
HANDBOOK: Final = "HANDBOOK.md"
_WIDEST = 120  # characters of a line, as the linter has it


def render(root: Path, answers: Answers, version: str) -> None:
    r"""Make the tree at `root` the project that `answers` describe, in place.

    Data, `storage/`, `data.dvc` and `dvc.lock` are not looked at: see `making.demos.drop_data`.

    Args:
        root: of a copy of the template's tree at some version, without `.git`.
        answers: of the person whose project it becomes.
        version: of the template, which the README names.

    Raises:
        UsageError: a feature that is to be left out does not exist.
        LightloopError: the result is not sound, which is a fault of the template.

    Examples:
        >>> import tempfile
        >>> from lightloop.template.making.answers import make_answers
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "src/lightloop").mkdir(parents=True)
        >>> _ = (root / "src/lightloop/errors.py").write_text("class LightloopError(Exception): ...\n")
        >>> render(root, make_answers({"name": "Churn", "author": "Acme", "year": 2026}), "0.6.0")
        >>> (root / "src/churn/errors.py").read_text()
        'class ChurnError(Exception): ...\n'
    """
    if answers.minimal:
        _render_small(root, answers)
        return
    can_be_slim = (root / FEATURES).exists()
    _drop_own(root)
    if answers.leave_out and can_be_slim:
        from lightloop.template.slim import slim

        # What makes projects is used by nobody then, nor are its packages.
        done = slim(root, (*answers.leave_out, MAKING))
        if done.unsolved:
            raise LightloopError(
                f"leaving out {', '.join(answers.leave_out)} broke {done.unsolved[0]}: a fault of the template, please "
                "report it"
            )
    if can_be_slim:
        from lightloop.template.slim.settled import settle

        settle(root)
    drop_experiments(root, answers.experiments)
    _sign(root, answers)
    _set_project(root, answers)
    _set_tracking(root, answers)
    _set_target(root, answers)
    _make_handbook(root)
    _set_remote(root, answers)
    rename_tree(root, answers.spelled)
    write_licence(root, answers)
    write_readme(root, answers, version)
    _head_index(root)
    _tidy(root)
    _check(root)


def _render_small(root: Path, answers: Answers) -> None:
    """The small project has files of its own, also a README."""
    if not (root / "src/lightloop/template/minimal").is_dir():
        raise UsageError("this version of the template has no small project: leave `minimal` out")
    from lightloop.template.minimal.small import make_small

    make_small(root)
    _sign(root, answers)
    _set_project(root, answers)
    if answers.tracking == "none":
        _change(root / "params.yaml", "  mode: auto # online", "  mode: disabled # auto: online")
    rename_tree(root, answers.spelled)
    write_licence(root, answers)
    _tidy(root)
    _check(root)


def rename(root: Path, name: Name) -> None:
    """Only the name: what somebody did who renamed a clone by hand.

    Args:
        root: of a copy of the template's tree.
        name: that the project has.
    """
    rename_tree(root, name)
    _tidy(root)


def _drop_own(root: Path) -> None:
    for name in OWN:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in tree_files(root):
        text = text_of(path)
        if text is None:
            continue
        changed = _OWN_LINES.sub("", text) if "of the template alone" in text else text
        if path.suffix in {".md", ".txt"}:
            changed = _LINKED.sub(r"\1", _LISTED.sub("", changed))
        if changed != text:
            write_same_mode(path, changed)


def _sign(root: Path, answers: Answers) -> None:
    """Who provides the model, on its cards."""
    for path in tree_files(root):
        text = text_of(path)
        if text is not None and AUTHORS in text:
            write_same_mode(path, text.replace(AUTHORS, answers.author))


def _set_project(root: Path, answers: Answers) -> None:
    """The head of `pyproject.toml`: a project of its own begins at its own first version."""
    path = root / "pyproject.toml"
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    about = answers.description or f"{answers.name}: a model and the loop that makes, judges and serves it."
    email = f', email = "{answers.email}"' if answers.email else ""
    head = f'description = "{about}"\nauthors = [{{ name = "{answers.author}"{email} }}]'
    text = re.sub(r'(?m)^version = "[^"]*"$', 'version = "0.1.0"', text, count=1)
    text = re.sub(r'(?m)^description = "[^"]*"$', lambda _: head, text, count=1)
    text = re.sub(r'(?m)^license = "[^"]*"$', f'license = "{spdx(answers)}"', text, count=1)
    if answers.licence != "MIT":
        text = text.replace('license-files = ["LICENSE"]', 'license-files = ["LICENSE", "LICENSE-template"]')
    path.write_text(text, encoding="utf-8")


def _head_index(root: Path) -> None:
    """Name and description in `llms.txt`, as `docs/_site/llms.py` writes them."""
    path, project = root / "llms.txt", root / "pyproject.toml"
    if path.exists() and project.exists():
        about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        head = f"# {about['name'].capitalize()}\n\n> {about['description']}\n"
        path.write_text(re.sub(r"\A# .*\n\n> .*\n", lambda _: head, path.read_text(encoding="utf-8")), encoding="utf-8")


def _set_tracking(root: Path, answers: Answers) -> None:
    """In `configs/`, and in params.yaml as the first run would write it."""
    params = root / "params.yaml"
    if answers.tracking == "none" and (root / "configs/tracking/none.yaml").exists():
        _change(root / "configs/config.yaml", "  - tracking: wandb\n", "  - tracking: none\n")
        if params.exists():
            text = params.read_text(encoding="utf-8")
            params.write_text(
                re.sub(r"(?m)^tracking:\n(?: .*\n)+", "tracking:\n  name: none\n", text), encoding="utf-8"
            )
    if answers.entity:
        _change(root / "configs/tracking/wandb.yaml", "entity: null", f"entity: {answers.entity}")
        _change(params, "  entity: null\n", f"  entity: {answers.entity}\n")


def _set_target(root: Path, answers: Answers) -> None:
    """Where workflows deploy to; the repository's variable still wins."""
    if answers.target == "local":
        return
    chosen = f"vars.DEPLOY_TARGET || '{answers.target}'"
    for path in sorted((root / ".github/workflows").glob("*.yml")):
        _change(path, "vars.DEPLOY_TARGET != '' && vars.DEPLOY_TARGET != 'local'", f"({chosen}) != 'local'")
        _change(path, "${{ vars.DEPLOY_TARGET }}", f"${{{{ {chosen} }}}}")


def _make_handbook(root: Path) -> None:
    """What the README says of the loop stays true of the project, and tests read it: it gets another name."""
    readme = root / "README.md"
    if not readme.exists():
        return
    readme.rename(root / HANDBOOK)
    for path in tree_files(root):
        if path.suffix in {".py", ".yml", ".toml"} and (text := text_of(path)) is not None:
            changed = re.sub(r'(REPOSITORY|ROOT|root) / "README\.md"', rf'\1 / "{HANDBOOK}"', text)
            # Which test runs the commands of which page.
            changed = changed.replace('    "README.md": [', f'    "{HANDBOOK}": [')
            if changed != text:
                write_same_mode(path, changed)


def _set_remote(root: Path, answers: Answers) -> None:
    """Where the handbook says that the data's objects lie: `storage/` goes where they lie elsewhere."""
    path = root / HANDBOOK
    if answers.remote == EMBEDDED or not path.exists():
        return
    text = re.sub(r"(?m)^ +storage/ .*\n", "", path.read_text(encoding="utf-8"))
    said = f"the data's objects lie in `{answers.remote}` ([docs/remote.md](docs/remote.md))."
    path.write_text(re.sub(r"the data's objects lie in `storage/`.*", lambda _: said, text), encoding="utf-8")


def _tidy(root: Path) -> None:
    """Sort and wrap code as the linter wants it: names are longer or shorter now."""
    if not (root / "pyproject.toml").exists():
        return
    # Names that nothing uses any more are those of tests and features that are gone.
    _ruff(root, "check", "--select", "I,F401", "--fix", "--quiet", "--exit-zero")
    _ruff(root, "format", "--quiet")
    found = json.loads(_ruff(root, "check", "--select", "E501", "--output-format", "json", "--exit-zero") or "[]")
    widest = max((one["end_location"]["column"] - 1 for one in found), default=_WIDEST)
    if widest > _WIDEST:
        # Comments and texts that the formatter does not wrap. Code is still wrapped where it was.
        path = root / "pyproject.toml"
        text = path.read_text(encoding="utf-8")
        entry = (
            f"# The project's name is longer than the template's: so are texts that say it.\n"
            f"[tool.ruff.lint.pycodestyle]\nmax-line-length = {widest}\n\n"
        )
        path.write_text(text.replace("[tool.ruff.lint.per-file-ignores]", f"{entry}[tool.ruff.lint.per-file-ignores]"))


def _ruff(root: Path, command: str, *options: str) -> str:
    try:
        from ruff import find_ruff_bin  # type: ignore[import-untyped]

        program = find_ruff_bin()
    except (ImportError, FileNotFoundError):
        raise LightloopError("ruff is missing, which wraps renamed code: `make environment` installs it") from None
    # The tree may lie in a folder that git ignores.
    done = subprocess.run(
        [program, command, "--no-cache", "--no-respect-gitignore", *options, "."],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LightloopError(f"`ruff {command}` failed on the renamed code: {_last_line(done.stderr or done.stdout)}")
    return done.stdout


def _check(root: Path) -> None:
    """No code that Python does not read."""
    for path in sorted((root / "src").rglob("*.py")) + sorted((root / "tests").rglob("*.py")):
        try:
            compile(path.read_bytes(), str(path.relative_to(root)), "exec", dont_inherit=True)
        except SyntaxError as error:
            where = f"{error.filename}:{error.lineno}"
            raise LightloopError(
                f"renaming broke {where} ({error.msg}): a fault of the template, please report it"
            ) from None


def _change(path: Path, old: str, new: str) -> None:
    if path.exists() and old in (text := path.read_text(encoding="utf-8")):
        path.write_text(text.replace(old, new), encoding="utf-8")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
