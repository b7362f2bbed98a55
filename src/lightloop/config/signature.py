"""What a network, task or metric can be told, read from its source without importing it.

A component is one file: `networks/resnet.py` holds the class `ResNet`. Its keyword-only arguments are its config;
its positional arguments are what the run knows (shapes, classes). Reading the signature from the syntax tree checks
a config in milliseconds, before torch is imported, and keeps "one network, one file" true: there is no second list.
"""

import ast
import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

PACKAGE = Path(__file__).resolve().parent.parent
# The only names that an annotation of a config argument may use: plain data, writable in YAML.
PLAIN_TYPES = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "tuple": tuple,
    "list": list,
    "dict": dict,
    "None": None,
    "Literal": Literal,
}


SETTINGS = ConfigDict(extra="forbid", frozen=True)


class ComponentConfig(BaseModel):
    """The config of one component: its name and the keyword arguments of its class."""

    model_config = SETTINGS

    name: str

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments to build the component with."""
        return {key: getattr(self, key) for key in type(self).model_fields if key != "name"}


@dataclass(frozen=True)
class Component:
    """A network, task or metric as its source declares it.

    Attributes:
        name: its name in a config: the file's name.
        summary: the first line of the class's docstring.
        class_name: the class to build.
        module: where to import it from.
        model: a frozen pydantic model of its name and keyword-only arguments.
        traits: plain class attributes, such as the modalities that a network can take.
    """

    name: str
    summary: str
    class_name: str
    module: str
    model: type[ComponentConfig]
    traits: dict[str, Any]

    def load(self) -> Any:
        """Import the module (only now) and return the class."""
        return getattr(importlib.import_module(self.module), self.class_name)


# A class that says what it is for is a component; other classes named like their file are not.
TRAITS = {"modalities", "problems"}


@cache
def components(room: str) -> dict[str, Component]:
    """All components in a room of the package (`networks`, `tasks`, `evaluation/own`), by name.

    Examples:
        >>> components("networks")["cnn"].class_name
        'CNN'
    """
    files = sorted((PACKAGE / room).glob("*.py"))
    found = (read_component(path, room) for path in files if not path.stem.startswith("_"))
    return {component.name: component for component in found if component}


def read_component(path: Path, room: str) -> Component | None:
    """The component that a file holds: its class that is named like the file and says what it is for; or None."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted = path.stem.replace("_", "")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.lower() == wanted and not _abstract(node):
            traits = _traits(node)
            if not TRAITS & traits.keys():
                return None
            return Component(
                name=path.stem,
                summary=(ast.get_docstring(node) or "").split("\n")[0],
                class_name=node.name,
                module=f"lightloop.{room.replace('/', '.')}.{path.stem}",
                model=_model(node, path.stem),
                traits=traits,
            )
    return None


# What the command line tells stages, and no config.
OF_COMMANDS = {"resume", "fail"}


@dataclass(frozen=True)
class Stage:
    """A stage as its source declares it: the function that is named like its file.

    Attributes:
        name: of file, function and command.
        summary: the first paragraph of its docstring.
        model: a frozen pydantic model of its keyword-only arguments: its settings, `stages.NAME` in a config.
    """

    name: str
    summary: str
    model: type[BaseModel]


@cache
def stages() -> dict[str, Stage]:
    """All stages, by name.

    Examples:
        >>> stages()["evaluate"].summary[:20]
        'Write predictions, m'
    """
    found: dict[str, Stage] = {}
    for path in sorted((PACKAGE / "stages").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == path.stem:
                summary = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                fields = {name: kind for name, kind in _arguments(node, node.name).items() if name not in OF_COMMANDS}
                model: type[BaseModel] = create_model(
                    f"{node.name}Settings", __config__=SETTINGS, __doc__=ast.get_docstring(node), **fields
                )
                found[path.stem] = Stage(path.stem, summary, model)
    return found


def _abstract(node: ast.ClassDef) -> bool:
    """Whether a class is there to be inherited from."""
    return any(isinstance(base, ast.Name) and base.id == "ABC" for base in node.bases)


def _model(node: ast.ClassDef, name: str) -> type[ComponentConfig]:
    """A model of the component's name and of the keyword-only arguments of its `__init__`."""
    fields: dict[str, Any] = {"name": (Literal[name], name)}
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            fields |= _arguments(method, node.name)
    return create_model(f"{node.name}Config", __base__=ComponentConfig, __doc__=ast.get_docstring(node), **fields)


def _arguments(function: ast.FunctionDef, owner: str) -> dict[str, Any]:
    """The keyword-only arguments of a function as fields of a model: annotation and default."""
    fields: dict[str, Any] = {}
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        assert argument.annotation, f"{owner}.{argument.arg} needs an annotation"
        fields[argument.arg] = (_evaluate(argument.annotation), ... if default is None else ast.literal_eval(default))
    return fields


def _evaluate(annotation: ast.expr) -> Any:
    code = compile(ast.Expression(annotation), "<annotation>", "eval")
    # Our own source, and no names but the plain types.
    return eval(code, {"__builtins__": {}}, PLAIN_TYPES)  # noqa: S307


def _traits(node: ast.ClassDef) -> dict[str, Any]:
    """Class attributes that are plain literals."""
    traits: dict[str, Any] = {}
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and statement.value and isinstance(statement.target, ast.Name):
            try:
                traits[statement.target.id] = ast.literal_eval(statement.value)
            except ValueError:
                continue
    return traits
