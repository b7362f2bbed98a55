"""Who uses what: definitions and files that nobody names any more.

A definition of a module is used where its module names it outside of itself, or where another module imports it or
asks its module for it. An attribute of a class is used where any object is asked for something of that name, which
finds too much, never too little. What nobody used before the cut is used in ways that can't be seen, and stays.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Facts:
    """What a file of Python says of names.

    Attributes:
        defines: names at its top, with the names that each uses inside.
        members: methods and properties, as `Class.name`, with the attributes that each uses inside.
        uses: names that are loaded outside of every definition.
        attributes: how often each attribute is asked for, or said as a keyword or string.
        imports: (module, name, bound name) of each import from; the name is empty for `import module`.
        exports: what `__all__` says.
        strings: every short text in it.
        late: what begins the names of modules that it imports by a name that it makes up.
    """

    defines: Mapping[str, frozenset[str]] = field(default_factory=dict)
    members: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    uses: frozenset[str] = frozenset()
    attributes: Mapping[str, int] = field(default_factory=dict)
    asked: frozenset[tuple[str, str]] = frozenset()
    imports: tuple[tuple[str, str, str], ...] = ()
    exports: frozenset[str] = frozenset()
    strings: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def facts_of(code: str, package: str) -> Facts:
    """Read a file's facts."""
    tree = ast.parse(code)
    defines: dict[str, frozenset[str]] = {}
    members: dict[str, dict[str, int]] = {}
    outside: set[str] = set()
    for node in tree.body:
        names = list(_defined(node))
        used = frozenset(_loads(node))
        for name in names:
            defines[name] = defines.get(name, frozenset()) | (used - {name})
        if not names:
            outside |= used
        elif isinstance(node, DEFINITIONS) and any(map(_registers, node.decorator_list)):
            outside.add(node.name)
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not _called(inner):
                    members[f"{node.name}.{inner.name}"] = _asked(inner)
    asked = frozenset(
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )
    return Facts(
        defines=defines,
        members=members,
        uses=frozenset(outside),
        attributes=_asked(tree),
        asked=asked,
        imports=tuple(_imports(tree, package)),
        exports=frozenset(_exports(tree)),
        strings=frozenset(
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 100
        ),
        late=frozenset(_late(tree)),
    )


def _registers(decorator: ast.expr) -> bool:
    """Whether a decorator hands over what it stands at, as `@app.command()` does."""
    found = decorator.func if isinstance(decorator, ast.Call) else None
    return isinstance(found, ast.Attribute) and found.attr == "command"


def _called(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a decorator sees to it that a method is called, as pydantic's validators do."""
    return any(ast.unparse(one).partition("(")[0].endswith(("validator", "serializer")) for one in node.decorator_list)


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, DEFINITIONS):
        yield node.name
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def _loads(node: ast.AST) -> Iterator[str]:
    # What a docstring tells of is not used by it.
    told = {id(one.value) for one in ast.walk(node) if isinstance(one, ast.Expr)}
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
            yield one.id
        elif (
            isinstance(one, ast.Constant)
            and isinstance(one.value, str)
            and len(one.value) < 200
            and id(one) not in told
        ):
            # An annotation in quotes, or a name that somebody asks a module for.
            yield from re.findall(r"[A-Za-z_]\w*", one.value) if "\n" not in one.value else ()


def _asked(node: ast.AST) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in ast.walk(node):
        names: Iterable[str] = ()
        if isinstance(one, ast.Attribute):
            names = (one.attr,)
        elif isinstance(one, ast.keyword) and one.arg:
            names = (one.arg,)
        elif isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.isidentifier():
            names = (one.value,)
        for name in names:
            found[name] = found.get(name, 0) + 1
    return found


def _imports(tree: ast.Module, package: str) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")
            base = base[: len(base) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield module, alias.name, alias.asname or alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", alias.asname or alias.name.split(".")[0]


def _late(tree: ast.Module) -> Iterator[str]:
    """`lightloop.stages.` of `import_module(f"lightloop.stages.{name}")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).endswith("import_module"):
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and "." in part.value:
                    yield part.value


def _exports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets
        ):
            yield from ast.literal_eval(node.value)


@dataclass(frozen=True)
class Uses:
    """What is used in a tree.

    Attributes:
        definitions: (module, name) of what is defined at the top of modules and used.
        members: methods and properties that are used, as (module, `Class.name`).
        modules: that somebody imports.
        defined: all definitions and members.
    """

    definitions: frozenset[tuple[str, str]]
    members: frozenset[tuple[str, str]]
    modules: frozenset[str]
    defined: frozenset[tuple[str, str]]


def uses_of(files: Mapping[str, Facts], users: Mapping[str, Facts], words: Mapping[str, int]) -> Uses:
    """Who uses what in `files` (facts by module), where `users` use it too, and `words` stand in templates."""
    attributes: dict[str, int] = dict(words)
    definitions: set[tuple[str, str]] = set()
    modules: set[str] = set()
    everyone = {**users, **files}
    for module, facts in everyone.items():
        for name, count in facts.attributes.items():
            attributes[name] = attributes.get(name, 0) + count
        inside = set(facts.uses).union(*facts.defines.values()) if facts.defines else set(facts.uses)
        own = {name for name in facts.defines if name in inside or (name in facts.exports and module not in files)}
        definitions |= {(module, name) for name in own}
        for source, name, bound in facts.imports:
            used = bound in inside or bound in facts.exports or any(bound in names for names in facts.defines.values())
            if not used and not source.startswith("__"):
                used = bound.split(".")[0] in inside
            whole = f"{source}.{name}" if name else source
            if whole in everyone:
                modules.add(whole)
                definitions |= {(whole, asked) for holder, asked in facts.asked if holder == bound}
            if source in everyone:
                modules.add(source)
                if used or not name:
                    definitions.add((source, name))
    late = tuple({prefix for facts in everyone.values() for prefix in facts.late}) + tuple(
        {text for facts in everyone.values() for text in facts.strings if "." in text and text in everyone}
    )
    for module, facts in files.items():
        if late and module.startswith(late):
            modules.add(module)
            # Whoever imports it by a made-up name asks it for a class by another one.
            definitions |= {
                (module, name)
                for name in facts.defines
                if attributes.get(name) or name == module.rpartition(".")[2] or name[:1].isupper()
            }
    members = set()
    defined: set[tuple[str, str]] = set()
    for module, facts in files.items():
        defined |= {(module, name) for name in (*facts.defines, *facts.members)}
        for member, inner in facts.members.items():
            name = member.rpartition(".")[2]
            if name.startswith("__") or attributes.get(name, 0) > inner.get(name, 0):
                members.add((module, member))
    return Uses(frozenset(definitions), frozenset(members), frozenset(modules), frozenset(defined))
