"""Trees of the template without features, and what is wrong with one without running it."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from lightloop.template.slim.features import read_features
from lightloop.template.slim.packages import declared, imported, names_of
from lightloop.template.slim.texts import groups_of
from lightloop.template.slim.tree import source, walk

REPOSITORY = Path(__file__).parent.parent


def copied(target: Path) -> Path:
    """The files of the repository that git knows or would take, without data and results."""
    said = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(said, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        path = REPOSITORY / name
        if name and path.is_file() and not name.startswith(("storage/", "artifacts/")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / name)
    return target


def texts_of(root: Path) -> dict[str, str]:
    found = {}
    for name in walk(root):
        try:
            found[name] = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def faults(root: Path) -> Iterator[str]:
    """What a tree can't do: imports that find nothing, configs that choose nothing, packages that nobody uses."""
    texts = texts_of(root)
    yield from _imports(texts)
    groups = groups_of(texts)
    for name in ("configs/config.yaml", *(path for path in texts if path.startswith("configs/experiment/"))):
        for entry in yaml.safe_load(texts[name]).get("defaults", []):
            if isinstance(entry, dict):
                for key, option in entry.items():
                    group = key.removeprefix("override ").strip("/")
                    if option not in groups.get(group, ()):
                        yield f"{name}: configs/{group}/{option}.yaml is not there"
    features = read_features()
    used = imported(texts)
    named = {one for feature in features.features.values() for one in feature.packages}
    for package in declared(texts["pyproject.toml"]):
        if package not in features.tools and package not in named and not used & set(names_of(package, features)):
            yield f"pyproject.toml: nobody uses {package}"
    for line in texts["dvc.yaml"].splitlines():
        path = line.strip().removeprefix("- ").partition(" ")[0]
        if path.startswith(("src/", "configs/")) and not (root / path).exists():
            yield f"dvc.yaml: {path} is not there"


def _imports(texts: dict[str, str]) -> Iterator[str]:
    """Imports of modules and names of the tree's own that are not there."""
    modules = {one.module: path for path in texts if (one := source(path)) is not None}
    tops = {module.partition(".")[0] for module in modules}
    for path, text in texts.items():
        if not path.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
                continue
            if node.module.partition(".")[0] not in tops or not node.module.startswith("lightloop"):
                continue
            if node.module not in modules:
                yield f"{path}:{node.lineno}: there is no {node.module}"
                continue
            known = _names(texts[modules[node.module]])
            for alias in node.names:
                if (
                    alias.name not in known
                    and f"{node.module}.{alias.name}" not in modules
                    and "__getattr__" not in known
                ):
                    yield f"{path}:{node.lineno}: {node.module} has no {alias.name}"


def _names(code: str) -> set[str]:
    """Every name that a module binds at its top, also under a condition."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found
