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
        ("ROWS = [*((Rare, n) for n in a), *((Often, n) for n in a)]\n", "ROWS = [*((Often, n) for n in a)]\n"),
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
        # What yields nothing any more is no generator: it would answer None.
        ('def f(y):\n    if y.modality != "series":\n        return\n    yield y\n', "\n"),
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


def test_a_name_that_is_always_the_same_truth_is_that_truth() -> None:
    code = """
    def f(config):
        forecasts = config.problem == "forecasting"
        often = not forecasts
        if forecasts:
            return 1
        return [config] if often else 2
    """
    assert cutting(code).code.strip() == "def f(config):\n    return [config]"


def test_a_branch_that_was_never_taken_does_not_take_its_test_along() -> None:
    code = """
    from shop.rare import rare

    def test_a(config):
        if config.problem == "forecasting":
            assert rare(config)
        assert config
    """
    assert "assert config" in cutting(code, test=True).code
    assert "rare" not in cutting(code, test=True).code


def test_a_test_that_composes_something_else_without_an_override_goes() -> None:
    code = """
    def test_a():
        assert compose(["experiment=seldom", "compress=quick"])

    @mark("typed", one(["experiment=seldom", "a=1"]))
    def test_b(typed):
        assert typed
    """
    left_over = cutting(code, test=True, options={"seldom"}).code
    assert "test_a" not in left_over
    assert 'one(["a=1"])' in left_over


def test_a_case_without_one_of_its_overrides_goes_whole() -> None:
    code = """
    @mark(("overrides", "sentence"), [(["experiment=seldom", "a=1"], "b"), (["a=1"], "c")])
    def test_a(overrides, sentence):
        assert compose(overrides) == sentence
    """
    assert '[(["a=1"], "c")]' in cutting(code, test=True, options={"seldom"}).code


def test_a_match_of_which_no_case_can_be_met_goes() -> None:
    code = """
    def told(y):
        match y.modality:
            case "series":
                return 1
        return 2
    """
    assert cutting(code).code == "\ndef told(y):\n    return 2\n"


def test_an_override_of_a_group_that_is_gone_is_left_out_and_nothing_else() -> None:
    code = """
    RUN = ("experiment=often", "rare=none")

    def test_a(config):
        assert compose(["rare=none"]) == compose([*RUN, "rare=none"])
    """
    left_over = cutting(code, test=True, options={"rare"}).code
    assert 'RUN = ("experiment=often",)' in left_over
    assert "compose([]) == compose([*RUN])" in left_over


def test_what_a_test_says_of_a_file_that_is_gone_goes_and_texts_around_it_with_it() -> None:
    code = """
    PAGES = {"docs/rare.md": 1, "docs/often.md": ["tests/a.py", "tests/rare.py"]}

    def test_a():
        assert read("docs/rare.md")

    def test_b():
        assert read("see " "rare.md")
    """
    left_over = cutting(code, test=True, paths={"docs/rare.md", "rare.md", "tests/rare.py"}).code
    assert 'PAGES = {"docs/often.md": ["tests/a.py"]}' in left_over
    assert "def test" not in left_over
    assert "docs/rare.md" in cutting(code, paths={"docs/rare.md"}).code, "elsewhere a text is a text"


def test_a_docstring_says_nothing_of_fields_and_parameters_that_are_gone() -> None:
    code = '''
    from shop.rare import Rare

    class C:
        """One.

        Attributes:
            a: is gone,
                with its second line.
            b: stays.
        """

        a: Rare
        b: int


    def f(x: int, y: int) -> int:
        """Two.

        Args:
            y: goes.

        Returns:
            A number.
        """
        return x
    '''
    left_over = cutting(code, parameters={"shop.till.f": {"y": 1}}).code
    assert "is gone" not in left_over
    assert "second line" not in left_over
    assert "b: stays." in left_over
    assert "Args" not in left_over
    assert "Returns:" in left_over


def test_what_a_parameter_is_by_its_annotation_need_not_be_asked() -> None:
    code = """
    from shop.often import Often
    from shop.rare import Rare

    def f(x: Often | Rare) -> int:
        if isinstance(x, Often):
            return 1
        return 2
    """
    assert "def f(x: Often) -> int:\n    return 1\n" in cutting(code).code


def test_of_names_that_are_assigned_side_by_side_those_stay_that_have_a_value() -> None:
    assert left("A, B, C = 1, Rare, 3\nprint(B)\n") == "A, C = 1, 3\n"
    assert left("A, B = 1, Rare\n") == "A = 1\n"
    assert left("A, B = rare(), Rare\n") == ""


def test_a_call_loses_an_argument_by_its_place_only_once() -> None:
    code, lost = "def f(a, c): ...\n\nf(1, 2)\n", {"shop.till.f": {"b": 1}}
    assert "f(1)\n" in cutting(code, parameters=lost).code
    assert cutting(code, parameters=lost, settled={("shop.till.f", "b")}).code == code


def test_a_test_that_would_assert_what_is_never_so_goes() -> None:
    code = """
    def test_a(config):
        assert config.problem == "forecasting"

    def test_b(config):
        assert config.problem != "forecasting"
        assert config

    def helper(name):
        whole = name == "seldom"
        return 1 if whole else 2
    """
    left_over = cutting(code, test=True, options={"seldom"}).code
    assert "test_a" not in left_over
    assert "def test_b(config):\n    assert config\n" in left_over
    assert "def helper(name):\n    return 2\n" in left_over


def test_a_module_of_the_same_name_does_not_take_a_variable_along() -> None:
    code = "import shop\n\ndef f(rare):\n    return rare.casefold()\n"
    assert cutting(code).code == code
    assert cutting("import shop.rare\n\nx = shop.rare.y\ny = 1\n").code.strip() == "y = 1"


def test_a_test_that_makes_something_of_a_kind_that_is_gone_goes() -> None:
    code = 'def test_a():\n    assert made("series", 1)\n\n\ndef test_b():\n    assert made["image"]\n'
    code += '\n\ndef test_c():\n    assert made["series"]\n'
    left_over = cutting(code, test=True, makers=frozenset({"made"})).code
    assert "test_a" not in left_over
    assert "test_b" in left_over
    assert "test_c" not in left_over


def test_a_test_that_names_a_word_that_is_gone_goes_and_one_that_lost_a_name_does_not() -> None:
    code = """
    from shop.rare import rare

    def test_a():
        assert tell(1, model="seldom")

    def helper():
        x = rare()
        return make(1)

    def needing():
        x = rare()
        return make(1, more=x)
    """
    left_over = cutting(code, test=True, options={"seldom"}).code
    assert "test_a" not in left_over
    assert "def helper():\n    return make(1)" in left_over
    assert "needing" not in left_over
