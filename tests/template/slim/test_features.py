"""Every file is somebody's, and what `features.toml` says is there."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightloop.errors import UsageError
from lightloop.template.slim.features import Features, read_features
from lightloop.template.slim.lock import pinned, prune
from lightloop.template.slim.packages import declared, imported, names_of
from lightloop.template.slim.tree import walk

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def features() -> Features:
    return read_features()


@pytest.fixture(scope="module")
def paths() -> list[str]:
    """The files that are the template's: those that git knows, or would take."""
    said = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(said, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    known = set(done.stdout.splitlines())
    return [path for path in walk(REPOSITORY) if path in known]


@pytest.fixture(scope="module")
def texts(paths: list[str]) -> dict[str, str]:
    return {path: (REPOSITORY / path).read_text(encoding="utf-8") for path in paths if path.endswith(".py")}


def test_every_file_belongs_to_the_core_or_to_a_feature(features: Features, paths: list[str]) -> None:
    nobodys = [path for path in paths if features.owner(path) is None]
    assert nobodys == [], "name them in src/lightloop/template/features.toml"


def test_every_pattern_finds_a_file(features: Features, paths: list[str]) -> None:
    lost = [
        f"{name}: {pattern}"
        for name, feature in features.features.items()
        for pattern in feature.files
        if not any(type(feature)(name, "", files=(pattern,)).owns(path) for path in paths)
    ]
    assert lost == []


def _definitions(features: Features) -> Iterator[tuple[str, str]]:
    for feature in features.features.values():
        for said in feature.names:
            module, _, name = said.partition(":")
            home = "src" if module.startswith("lightloop") else "tests"
            yield f"{home}/{module.replace('.', '/')}.py", name


def test_every_name_is_defined(features: Features, texts: dict[str, str]) -> None:
    for path, name in _definitions(features):
        last = name.rpartition(".")[2]
        code = texts[path]
        assert any(f"{word}{last}" in code for word in ("def ", "class ", "    ", "\n")), f"{path} has no {name}"


def test_every_line_and_option_is_there(features: Features, paths: list[str]) -> None:
    import re

    known = {Path(path).stem for path in paths if path.startswith("configs/")}
    for feature in features.features.values():
        for path, expressions in feature.lines.items():
            text = (REPOSITORY / path).read_text(encoding="utf-8")
            for expression in expressions:
                assert re.search(expression, text, re.M), f"{feature.name}: {path} has no line {expression}"
        code = (REPOSITORY / "src/lightloop/config/explain.py").read_text(encoding="utf-8")
        for option in feature.options:
            named = option in known or f'"{option}"' in code or (REPOSITORY / "configs" / option).exists()
            assert named, f"{feature.name}: nothing is called {option}"


def test_features_are_known_and_go_with_what_they_need(features: Features) -> None:
    assert features.without(["serving"]) == ("github", "score", "serving", "monitoring")
    assert features.without([]) == ()
    assert "sequences" not in features.without(["text"])
    assert features.without(["text", "series"]) == ("text", "series", "sequences")
    with pytest.raises(UsageError, match=r"'gitub' is no feature: did you mean 'github'\?"):
        features.without(["gitub"])
    with pytest.raises(UsageError, match="nothing would be left to learn from"):
        features.without(["image", "tabular", "text", "series"])
    for feature in features.features.values():
        assert {*feature.needs, *feature.only_for} <= set(features.features), feature.name


def test_every_declared_package_is_used(features: Features, texts: dict[str, str]) -> None:
    """By an import, by a feature that names it, or by everyone as a tool."""
    used = imported(texts)
    named = {name for feature in features.features.values() for name in feature.packages}
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    dead = [
        name
        for name in declared(project)
        if name not in features.tools and name not in named and not used & set(names_of(name, features))
    ]
    assert dead == []


def test_the_lock_holds_what_is_declared_and_what_that_needs() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    same, gone = prune(lock, set(declared(project)), "lightloop")
    assert gone == ()
    assert pinned(same) == pinned(lock)


def test_every_text_that_is_said_otherwise_is_there(features: Features, paths: list[str]) -> None:
    kinds = {".py", ".md", ".yaml", ".yml", ".toml", ".js", ".j2", ""}
    read = [path for path in paths if Path(path).suffix in kinds and Path(path).name != "features.toml"]
    said = [(REPOSITORY / path).read_text(encoding="utf-8") for path in read]
    # What another feature has put there stands in features.toml.
    others = {text for feature in features.features.values() for text in feature.instead.values()}
    lost = [
        f"{name}: {text}"
        for name, feature in features.features.items()
        for text in feature.instead
        if not any(text in one for one in said) and not any(text in one for one in others)
    ]
    assert lost == []


def test_the_page_names_what_is_offered(features: Features) -> None:
    page = (REPOSITORY / "docs/make-it-yours.md").read_text(encoding="utf-8")
    table = page.partition("| feature | what the project lacks |")[2].partition("\n\n")[0]
    told = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert told == list(features.offered)
