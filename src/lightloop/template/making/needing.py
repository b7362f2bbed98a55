"""Tests that run on an experiment of the template go with it; found by what they say and by what they use."""

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass
class _Module:
    """A file of tests, or one that helps them.

    Attributes:
        path: of the file.
        tree: as it was read.
        defined: top-level names with what defines them.
        imported: names that come from other files of tests: the file's stem, and the name there.
        saying: definitions that name what is gone themselves.
        used: by definition, where what it uses is defined.
    """

    path: Path
    tree: ast.Module
    defined: dict[str, Definition] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    saying: set[str] = field(default_factory=set)
    used: dict[str, set[tuple[Path, str]]] = field(default_factory=dict)


def drop_tests(root: Path, experiments: Collection[str], folders: Collection[str]) -> list[str]:
    """Remove tests that need what is gone, with helpers that nobody can use without it.

    A test needs it that names it (`experiment=NAME`, `data/NAME`, the name alone), or that uses a fixture, helper or
    constant that does. Of a parametrized test only the cases go that name it.

    Args:
        root: of the tree.
        experiments: that are gone.
        folders: below `data/` that are gone.

    Returns:
        the definitions that were removed, as `file:name`.
    """
    said = _pattern(experiments, folders)
    for path in sorted((root / "tests").rglob("*.py")):
        _drop_cases(path, said)
    modules = [_read(path) for path in sorted((root / "tests").rglob("*.py"))]
    helpers = {module.path.stem: module for module in modules if module.path.parent == root / "tests"}
    conftests = [module for module in modules if module.path.name == "conftest.py"]
    for module in modules:
        _look(module, conftests, helpers, said)
    needing: set[tuple[Path, str]] = set()
    while more := {key for module in modules for key in _needing(module, needing)} - needing:
        needing |= more
    for module in modules:
        _remove(module, {name for path, name in needing if path == module.path})
    return sorted(f"{path.relative_to(root).as_posix()}:{name}" for path, name in needing)


def _pattern(experiments: Collection[str], folders: Collection[str]) -> re.Pattern[str]:
    names = "|".join(sorted(map(re.escape, {*experiments, *folders}), key=len, reverse=True))
    below = "|".join(sorted(map(re.escape, folders), key=len, reverse=True)) or r"(?!)"
    return re.compile(
        rf"(?:experiment|data|card)=(?:{names})(?![\w-])|\bdata/(?:{below})(?![\w-])|/(?:{names})\.(?:ya?ml|json)|"
        rf"\A(?:{names})\Z"
    )


def _read(path: Path) -> _Module:
    module = _Module(path, ast.parse(path.read_bytes()))
    for node in module.tree.body:
        for name in _names_of(node):
            module.defined[name] = node  # type: ignore[assignment]  # only definitions have names
    # Imports inside functions count as well: they are of what the function uses.
    for found in ast.walk(module.tree):
        if isinstance(found, ast.ImportFrom) and found.module and not found.level:
            for alias in found.names:
                module.imported[alias.asname or alias.name] = (found.module, alias.name)
    return module


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _look(module: _Module, conftests: list[_Module], helpers: dict[str, _Module], said: re.Pattern[str]) -> None:
    """What each definition says and uses: asked once, since it is needed again and again."""
    for name, node in module.defined.items():
        if _says(node, said):
            module.saying.add(name)
        module.used[name] = {key for used in _used(node) for key in _meant(used, module, conftests, helpers)}


def _needing(module: _Module, known: set[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    for name in module.defined:
        if name in module.saying or not known.isdisjoint(module.used[name]):
            yield module.path, name


def _says(node: ast.AST, said: re.Pattern[str]) -> bool:
    return any(
        isinstance(one, ast.Constant) and isinstance(one.value, str) and said.search(one.value)
        for one in ast.walk(node)
    )


def _used(node: ast.AST) -> set[str]:
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    # Fixtures come by the names of arguments.
    found |= {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
    return found | {
        name for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
        for name in [one.value] if name.isidentifier()
    }  # fmt: skip


def _meant(
    name: str, module: _Module, conftests: list[_Module], helpers: dict[str, _Module]
) -> Iterator[tuple[Path, str]]:
    """Where a name is defined: here, in a helper, or as a fixture of a folder above."""
    if name in module.defined:
        yield module.path, name
        return
    if name in module.imported:
        stem, there = module.imported[name]
        if stem in helpers:
            yield helpers[stem].path, there
        return
    for other in conftests:
        above = module.path.is_relative_to(other.path.parent)
        if above and name in other.defined and other is not module:
            yield other.path, name


def _drop_cases(path: Path, said: re.Pattern[str]) -> None:
    """Cases of `parametrize` that name what is gone, where others are left."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    content = text.encode()
    cuts = []
    for node in ast.walk(ast.parse(content)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("parametrize") and len(node.args) > 1):
            continue
        cases = node.args[1]
        if not isinstance(cases, ast.List | ast.Tuple):
            continue
        gone = [case for case in cases.elts if _says(case, said)]
        if gone and len(gone) < len(cases.elts):
            for case in gone:
                end = starts[(case.end_lineno or 0) - 1] + (case.end_col_offset or 0)
                comma = re.match(rb"\s*,[ \t]*(?:#[^\n]*)?", content[end:])
                cuts.append((starts[case.lineno - 1] + case.col_offset, end + (comma.end() if comma else 0)))
    for start, end in sorted(cuts, reverse=True):
        content = content[:start] + content[end:]
    if cuts:
        path.write_bytes(content)


def _remove(module: _Module, names: set[str]) -> None:
    if not names:
        return
    lines = module.path.read_text(encoding="utf-8").splitlines(keepends=True)
    for node in reversed(module.tree.body):
        if not names.intersection(_names_of(node)):
            continue
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(one.lineno for one in decorators)]) - 1
        while start and lines[start - 1].startswith("#"):
            start -= 1
        del lines[start : node.end_lineno]
    text = "".join(lines)
    kept = ast.parse(text)
    tests = any(name.startswith("test_") for node in kept.body for name in _names_of(node))
    if module.path.name.startswith("test_") and not tests:
        module.path.unlink()
    else:
        module.path.write_text(text, encoding="utf-8")
