"""Leave features out of a tree."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lightloop.template.slim.anew import write_anew
from lightloop.template.slim.cutting import cut
from lightloop.template.slim.features import Features, read_features
from lightloop.template.slim.gone import Gone
from lightloop.template.slim.markers import MARKED, cut_marked, without_marks
from lightloop.template.slim.texts import cut_texts
from lightloop.template.slim.tree import Source, source, walk, words_of
from lightloop.template.slim.uses import Facts, Uses, facts_of, uses_of

PYTHON_ROOTS = ("src/", "tests/", "benchmarks/", "scripts/", "docs/")
MOST_ROUNDS = 30


@dataclass(frozen=True)
class Report:
    """What came of it.

    Attributes:
        left_out: the features that are gone, with those that needed them.
        removed: files that are gone, relative.
        changed: files that say less.
        packages: distributions that the lock no longer pins.
        unsolved: lines that still speak of what is gone: a fault of the template, which its tests find.
    """

    left_out: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    packages: tuple[str, ...]
    unsolved: tuple[str, ...] = ()


def slim(root: Path, leave_out: Collection[str]) -> Report:
    """Leave features out of the tree at `root`, in place; the package still has the template's name.

    Nothing left out changes nothing. Git's own folder, environments and data are not looked at.

    Args:
        root: of a copy that may be changed.
        leave_out: features of `features.toml`; what needs them goes with them.

    Raises:
        UsageError: there is no such feature, or the last modality would go.
    """
    features = read_features()
    left_out = features.without(leave_out)
    if not left_out:
        return Report((), (), (), ())
    return _Slimming(root, features, left_out).run()


class _Slimming:
    """A tree in memory, which becomes smaller until nothing changes."""

    def __init__(self, root: Path, features: Features, left_out: tuple[str, ...]) -> None:
        self.root = root
        self.features = features
        self.left_out = left_out
        self.before = {path: text for path in walk(root) if (text := _text(root / path)) is not None}
        self.binary = set(walk(root)) - set(self.before)
        self.now = dict(self.before)
        self.gone = self._named_gone()
        self.first = self._uses()
        self.unsolved: set[str] = set()
        # What was cut already, with what it was cut of: cutting it again changes nothing.
        self.done: dict[str, tuple[str, frozenset[str]]] = {}
        self.tidied: dict[str, str] = {}
        # Parameters that calls of a file no longer give: a second cut by their places would hit others.
        self.settled: dict[str, set[tuple[str, str]]] = {}

    def run(self) -> Report:
        for path in [*self.now, *self.binary]:
            if set(self.features.owners(path)) & set(self.left_out):
                self._remove(path)
        for path, text in self.now.items():
            if path.endswith(MARKED):
                # The marks of what stays go, too: a definition that is cut would take one of a pair along.
                self.now[path] = without_marks(cut_marked(text, self.left_out))
        for name in self.left_out:
            for said, other in self.features.features[name].instead.items():
                self.now = {path: text.replace(said, other) for path, text in self.now.items()}
        for _ in range(MOST_ROUNDS):
            changed = self._cut()
            changed |= self._tidy()
            if not self._bury() and not changed:
                break
        packages = cut_texts(self.now, self.before, self.features, self.left_out)
        self._write(self.before)
        self.unsolved |= set(write_anew(self.root))
        self.now = {path: (self.root / path).read_text(encoding="utf-8") for path in self.now}
        removed = sorted((set(self.before) | self._all_binary()) - set(self.now) - self.binary)
        changed_files = sorted(path for path, text in self.now.items() if self.before[path] != text)
        return Report(self.left_out, tuple(removed), tuple(changed_files), packages, tuple(sorted(self.unsolved)))

    # What is gone from the start

    def _named_gone(self) -> Gone:
        features, left_out = self.features, self.left_out
        gone = Gone(values=features.gone_values(left_out), kinds=features.kinds, makers=frozenset(features.makers))
        for kind, values in features.kinds.items():
            left = [value for value in values if value not in gone.values[kind]]
            if len(left) == 1:
                gone.only[kind] = left[0]
                for feature in features.features.values():
                    if feature.values.get(kind) == left[0]:
                        gone.alone |= set(feature.classes)
        for name in left_out:
            for definition in features.features[name].names:
                module, _, inner = definition.partition(":")
                gone.definitions.setdefault(module, set()).add(inner)
            for attribute in features.features[name].attributes:
                holder, _, inner = attribute.rpartition(".")
                gone.attributes.setdefault(inner, set()).add(holder)
            gone.options |= set(features.features[name].options)
        return gone

    def _remove(self, path: str) -> None:
        self.now.pop(path, None)
        self.binary.discard(path)
        # Pages are named without their folder too.
        self.gone.paths |= {path, path.removeprefix("docs/")}
        found = source(path)
        if found is not None:
            self.gone.modules.add(found.module)

    def _all_binary(self) -> set[str]:
        return {path for path in walk(self.root) if path not in self.before}

    # Rounds

    def _sources(self) -> dict[str, Source]:
        found = {path: source(path) for path in self.now if path.startswith(PYTHON_ROOTS)}
        return {path: one for path, one in found.items() if one is not None}

    def _cut(self) -> bool:
        """Cut every file that speaks of something that is gone; whether anything changed."""
        before = self._state()
        for path, one in self._sources().items():
            code = self.now[path]
            spoken = self._spoken(one, code)
            if not spoken or self.done.get(path) == (code, spoken):
                continue
            self.gone.settled = self.settled.get(path, set())
            self.settled[path] = {(name, one) for name, lost in self.gone.parameters.items() for one in lost}
            done = cut(code, self.gone, module=one.module, package=one.package, test=one.test)
            self.unsolved = {line for line in self.unsolved if not line.startswith(f"{path}:")}
            self.unsolved |= {f"{path}:{line}" for line in done.left}
            self.now[path] = done.code
            self.done[path] = (done.code, spoken)
            for function, names in done.parameters.items():
                self.gone.parameters.setdefault(function, {}).update(names)
            if done.definitions:
                self.gone.definitions.setdefault(one.module, set()).update(done.definitions)
        return before != self._state()

    def _spoken(self, one: Source, code: str) -> frozenset[str]:
        """What is gone and the file speaks of."""
        facts = facts_of(code, one.package)
        gone = self.gone
        found = {f"{module}:{name}" for module, name, _ in facts.imports if gone.named(module, name or " ")}
        found |= {f":{name}" for name in gone.definitions.get(one.module, ()) if name.rpartition(".")[2] in code}
        bound = {local: f"{module}.{name}" for module, name, local in facts.imports}
        found |= {
            f"{bound[holder]}:{name}"
            for holder, name in facts.asked
            if holder in bound and name in gone.definitions.get(bound[holder], ())
        }
        found |= {name for name in gone.attributes if name in facts.attributes or f" {name}:" in code}
        found |= {
            f"{function}({name})"
            for function, names in gone.parameters.items()
            for name in names
            if function.rpartition(".")[2] in code
        }
        found |= {value for values in gone.values.values() for value in values if f'"{value}"' in code}
        found |= {name for name in gone.alone if name in code}
        if one.test:
            found |= facts.strings & gone.paths
        if one.test or ">>>" in code:
            found |= {word for word in gone.options if word in code}
        return frozenset(found)

    def _state(self) -> tuple[int, int, int]:
        gone = sum(map(len, (*self.gone.definitions.values(), *self.gone.parameters.values())))
        return hash(tuple(self.now.values())), len(self.now), gone

    def _tidy(self) -> bool:
        """Take out imports and variables that nobody reads any more; put the code into shape."""
        before = self._state()
        changed = [path for path in self._sources() if self.now[path] != self.before[path]]
        written = [
            path for path in changed if "__gone__" not in self.now[path] and self.tidied.get(path) != self.now[path]
        ]
        if not written:
            return False
        self._write({path: self.before[path] for path in written}, only=written)
        rules = "F401,F541,F811,F841,I001,RUF059,RUF100,B007,RET504,RET505,RET506,PIE790,SIM102,W291,W293"
        _ruff(self.root, "check", "--quiet", "--fix", "--unsafe-fixes", "--exit-zero", "--fixable", rules, *written)
        _ruff(self.root, "format", "--quiet", *written)
        for path in written:
            self.now[path] = self.tidied[path] = (self.root / path).read_text(encoding="utf-8")
        self._unused_parameters(written)
        return before != self._state()

    def _unused_parameters(self, paths: list[str]) -> None:
        """Parameters that functions no longer read: their callers need not give them any more."""
        rules = ("check", "--exit-zero", "--select", "ARG001", "--output-format", "json")
        sources = self._sources()
        for fault in json.loads(_ruff(self.root, *rules, *paths) or "[]"):
            path = PurePosixPath(Path(fault["filename"]).resolve().relative_to(self.root.resolve())).as_posix()
            found = _parameter_at(self.now[path], fault["location"]["row"], fault["location"]["column"])
            if found is not None and not sources[path].test:
                function, name, place = found
                self.gone.parameters.setdefault(f"{sources[path].module}.{function}", {})[name] = place

    def _uses(self) -> "tuple[Uses, Uses, dict[str, int]]":
        """Who uses what in the package, among the tests, and which words stand in text files."""
        sources = self._sources()
        facts = {path: facts_of(self.now[path], one.package) for path, one in sources.items()}
        package = {sources[path].module: found for path, found in facts.items() if path.startswith("src/")}
        others = {path: found for path, found in facts.items() if not path.startswith("src/")}
        users = {sources[path].module: found for path, found in others.items() if not sources[path].test}
        tests = {sources[path].module: found for path, found in others.items() if sources[path].test}
        words: dict[str, int] = {}
        for path, text in self.now.items():
            # What others wrote and made small has every short word.
            if path.startswith("src/") and path.endswith((".j2", ".html", ".js")) and ".min." not in path:
                for word, count in words_of(text).items():
                    words[word] = words.get(word, 0) + count
        return uses_of(package, users, words), uses_of(tests, {}, {}), words

    def _bury(self) -> bool:
        """Take out what was used and is no longer; whether there was anything."""
        found = False
        now = self._uses()
        sources = {one.module: path for path, one in self._sources().items()}
        for before, after in zip(self.first[:2], now[:2], strict=True):
            dead = (before.definitions & after.defined) - after.definitions
            dead |= (before.members & after.defined) - after.members
            for module, name in dead:
                if f"{module}:{name}" not in self.features.kept and name not in self.gone.definitions.get(module, ()):
                    self.gone.definitions.setdefault(module, set()).add(name)
                    found = True
            for module in before.modules - after.modules:
                path = sources.get(module)
                kept = any(one.startswith(f"{module}:") for one in self.features.kept)
                if path and not path.endswith("__init__.py") and not kept:
                    self._remove(path)
                    found = True
        for path in self._empty():
            self._remove(path)
            found = True
        for path in self._unnamed():
            self._remove(path)
            found = True
        return found

    def _empty(self) -> list[str]:
        """Files of Python that say nothing any more, tests without a test, packages without a module."""
        found = []
        names = set(self.now)
        for path, one in self._sources().items():
            facts = facts_of(self.now[path], one.package)
            before = facts_of(self.before[path], one.package)
            if path.endswith("/__init__.py"):
                folder = path.removesuffix("__init__.py")
                alone = not any(other.startswith(folder) and other != path for other in names)
                had = any(other.startswith(folder) and other != path for other in self.before)
                if alone and had:
                    found.append(path)
            elif (before.defines and not facts.defines and not facts.uses) or (
                PurePosixPath(path).name.startswith("test_") and one.test and not _tests(facts) and _tests(before)
            ):
                found.append(path)
        return found

    def _unnamed(self) -> list[str]:
        """Other files of the package and the tests that somebody named before and nobody does now."""
        others = [
            path
            for path in (*self.now, *self.binary)
            if path.startswith(("src/", "tests/", "docs/images/")) and not path.endswith(".py")
        ]
        return [path for path in others if _named(path, self.before) and not _named(path, self.now)]

    # Disk

    def _write(self, before: Iterable[str], only: Iterable[str] | None = None) -> None:
        wanted = set(self.now if only is None else only)
        for path in wanted:
            target = self.root / path
            if not target.exists() or target.read_text(encoding="utf-8") != self.now[path]:
                target.write_text(self.now[path], encoding="utf-8")
        if only is not None:
            return
        for path in [*walk(self.root)]:
            if path not in self.now and path not in self.binary:
                (self.root / path).unlink()
        _remove_empty(self.root)


def _text(path: Path) -> str | None:
    if path.is_symlink():
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        return None


def _tests(facts: Facts) -> bool:
    return any(name.startswith(("test", "Test")) for name in facts.defines)


def _named(path: str, texts: dict[str, str]) -> bool:
    name = PurePosixPath(path).name
    stem = PurePosixPath(path).parent.name
    folder_said = f"{stem}/"
    readers = (".py", ".j2", ".html", ".js", ".css", ".md", ".yml", ".yaml")
    return any(
        (name in text or folder_said in text)
        for other, text in texts.items()
        if other != path and other.endswith(readers) and not other.endswith(".min.js")
    )


def _remove_empty(root: Path) -> None:
    for top in ("src", "tests", "benchmarks", "configs", "docs", "scripts", "deploy", ".github"):
        for folder in sorted((root / top).rglob("*"), reverse=True):
            if folder.is_dir() and (folder.name == "__pycache__" or not any(folder.iterdir())):
                shutil.rmtree(folder)
        if (root / top).is_dir() and not any((root / top).iterdir()):
            (root / top).rmdir()


def _ruff(root: Path, *arguments: str) -> str:
    own = Path(sys.executable).parent / "ruff"
    program = str(own) if own.exists() else (shutil.which("ruff") or "ruff")
    return subprocess.run(
        [program, arguments[0], "--no-cache", *arguments[1:]], cwd=root, check=False, capture_output=True, text=True
    ).stdout


def _parameter_at(code: str, row: int, column: int) -> tuple[str, str, int] | None:
    """The function, name and place of the parameter that stands there; the place is -1 where it is given by name."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            positional = [*node.args.posonlyargs, *node.args.args]
            for one in [*positional, *node.args.kwonlyargs]:
                if (one.lineno, one.col_offset + 1) == (row, column):
                    return node.name, one.arg, positional.index(one) if one in positional else -1
    return None
