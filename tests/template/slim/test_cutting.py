"""What goes with something that is gone, and what stays."""

from textwrap import dedent

import pytest

from lightloop.template.slim.cutting import Cut, cut
from lightloop.template.slim.gone import Gone


def gone(**more: object) -> Gone:
    kinds = {"modality": ("image", "text", "series"), "problem": ("classification", "forecasting")}
    values = {"modality": frozenset({"series"}), "problem": frozenset({"forecasting"})}
    return Gone(modules={"shop.rare"}, kinds=kinds, values=values, **more)  # type: ignore[arg-type]


def cutting(code: str, *, test: bool = False, **more: object) -> Cut:
    return cut(dedent(code), gone(**more), module="shop.till", package="shop", test=test)


def left(code: str, **more: object) -> str:
    return cutting(
        f"from shop.rare import Rare, rare\nfrom shop.often import Often\n{dedent(code)}", **more
    ).code.partition(  # type: ignore[arg-type]
        "import Often\n"
    )[2]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Any = Often | Rare\n", "Any = Often\n"),
        ('TABLE = {"a": Often, "b": Rare}\n', 'TABLE = {"a": Often}\n'),
        ("ALL = [Often, Rare]\n", "ALL = [Often]\n"),
        ('ROWS = [("a", Often), ("b", Rare)]\n', 'ROWS = [("a", Often)]\n'),
        ("x = isinstance(y, (Often, Rare))\n", "x = isinstance(y, (Often,))\n"),
        ("x = 1 if isinstance(y, Rare) else 2\n", "x = 2\n"),
        ("x = y and not isinstance(y, Rare)\n", "x = y\n"),
        ("x = Often(1, extra=Rare)\n", "x = Often(1)\n"),
        ("x = Often(Rare)\n", ""),
        ("for x in rare():\n    print(x)\n", ""),
        ("with rare() as x:\n    print(1)\n", "print(1)\n"),
        ("def f(x: Rare) -> int:\n    return 1\n", ""),
        ("class C(Rare):\n    x = 1\n", ""),
        ("@rare\ndef f() -> None:\n    print(1)\n", ""),
        ("def f() -> int:\n    return rare()\n", ""),
        ("def f() -> int:\n    x = rare()\n    y = x + 1\n    return y\n", ""),
        ("def f(rare: int) -> int:\n    return rare\n", "def f(rare: int) -> int:\n    return rare\n"),
        ('def f(x: "Often | Rare") -> int:\n    return 1\n', 'def f(x: "Often") -> int:\n    return 1\n'),
        ("x = lambda rare: rare\n", "x = lambda rare: rare\n"),
    ],
)
def test_the_smallest_thing_that_can_do_without_it_stays(before: str, after: str) -> None:
    assert left(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('x = y.modality == "series"\n', "x = False\n"),
        ('x = y.modality != "series"\n', "x = True\n"),
        ('x = y.modality in ("text", "series")\n', 'x = y.modality == "text"\n'),
        ('x = ("text", "series")\n', 'x = ("text",)\n'),
        ('X = Literal["image", "series"]\n', 'X = Literal["image"]\n'),
        ('X = {"image": 1, "series": 2}\n', 'X = {"image": 1}\n'),
        (
            'X = {("series", "forecasting"): 2, ("image", "classification"): 1}\n',
            'X = {("image", "classification"): 1}\n',
        ),
        ('x = table["series"]\n', 'x = table["series"]\n'),
        ('if y.modality == "series":\n    a()\nelif b:\n    c()\nelse:\n    d()\n', "if b:\n    c()\nelse:\n    d()\n"),
        ('match y.modality:\n    case "series":\n        a()\n    case _:\n        b()\n', "b()\n"),
        ('match y:\n    case "series":\n        a()\n', 'match y:\n    case "series":\n        a()\n'),
    ],
)
def test_what_an_attribute_is_no_longer(before: str, after: str) -> None:
    assert cutting(before).code == after


def test_the_only_value_that_is_left_is_true() -> None:
    code = "def f(x):\n    if isinstance(x, Often):\n        return 1\n    return 2\n"
    assert left(code, alone={"Often"}) == "def f(x):\n    return 1\n"
    only = cutting('x = 1 if y.modality == "text" else 2\n', only={"modality": "text"})
    assert only.code == "x = 1\n"


def test_a_test_goes_whole_and_data_of_a_parametrised_one_by_one() -> None:
    code = """
    from shop.rare import rare

    def test_a() -> None:
        assert 1
        assert rare()

    @mark("name", ["often", "seldom"])
    def test_b(name: str) -> None:
        assert name
    """
    assert "test_a" not in cutting(code, test=True).code
    assert '["often"]' in cutting(code, test=True, options={"seldom"}).code


def test_a_parameter_that_can_only_be_none_is_said() -> None:
    done = cutting("from shop.rare import Rare\ndef f(a: int, x: Rare | None = None) -> int:\n    return a\n")
    assert done.parameters == {"shop.till.f": {"x": 1}}
    again = cutting(
        "def f(a: int, x: None = None) -> int:\n    return a\n\nf(1, 2)\n", parameters={"shop.till.f": {"x": 1}}
    )
    assert again.code == "def f(a: int) -> int:\n    return a\n\nf(1)\n"


def test_examples_that_run_it_go_and_the_rest_of_the_docstring_stays() -> None:
    code = '''
    from shop.rare import rare

    def f() -> int:
        """Say one.

        Examples:
            >>> rare()
            1
        """
        return 1
    '''
    assert 'def f() -> int:\n    """Say one."""\n    return 1\n' in cutting(code).code


def test_definitions_that_went_are_told() -> None:
    code = "from shop.rare import Rare\nclass A(Rare):\n    def f(self): ...\n\ndef g(x: Rare): return 1\n"
    assert cutting(code).definitions == {"A", "g"}
