"""Cut out of a file what refers to something that is gone, by its syntax tree.

Expressions are judged from the leaves up. What can't be without the missing thing is gone too, until something is
reached that can do without: a member of a union, an entry of a list, a case, a statement, at last a whole function.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import libcst as cst

from lightloop.template.slim.functions import Functions
from lightloop.template.slim.gone import Gone


class Cutter(Functions):
    """Cuts one file; see `cut`."""


@dataclass(frozen=True)
class Cut:
    """One file after the cut.

    Attributes:
        code: what is left.
        definitions: of the module that went, such as `f` or `Class.method`.
        parameters: that can be nothing but None any more, with their places, by the function's full name.
        left: lines that still say what they can't.
    """

    code: str
    definitions: frozenset[str] = frozenset()
    parameters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    left: tuple[str, ...] = ()


def cut(code: str, gone: Gone, *, module: str, package: str, test: bool = False) -> Cut:
    """Cut out of `code` what refers to what is gone.

    Args:
        code: of a Python file.
        gone: what is no longer there.
        module: its dotted name.
        package: that relative names start from: the module itself where it is a package.
        test: whether a function that loses a statement goes as a whole.
    """
    cutter = Cutter(gone, module=module, package=package, test=test)
    tree = cst.parse_module(code).visit(cutter)
    return Cut(
        code=tree.code,
        definitions=frozenset(cutter.lost),
        parameters=cutter.voids,
        left=tuple(cutter.unsolved(tree)),
    )
