"""Who uses what, where no name is said."""

from pathlib import Path

from lightloop.template.slim.anew import write_anew
from lightloop.template.slim.uses import facts_of, uses_of


def test_what_a_decorator_hands_over_is_used() -> None:
    code = "@app.command()\ndef run(): ...\n\n\n@cache\ndef dead(): ...\n"
    used = uses_of({"shop.cli": facts_of(code, "shop")}, {}, {})
    assert used.definitions == {("shop.cli", "run")}
    assert ("shop.cli", "dead") in used.defined


def test_a_validator_is_called_by_nobody_and_used() -> None:
    code = "class C:\n    @field_validator('a')\n    def _a(cls): ...\n\n    @property\n    def b(self): ...\n"
    assert set(facts_of(code, "shop").members) == {"C.b"}


def test_a_docstring_uses_nothing_and_an_annotation_in_quotes_does() -> None:
    code = '"""Says told and meant."""\n\n\ndef told(): ...\n\n\nclass Meant: ...\n\n\ndef kept(one: "Meant"): ...\n'
    assert uses_of({"shop.a": facts_of(code, "shop")}, {}, {}).definitions == {("shop.a", "Meant")}


def test_files_that_a_program_of_the_tree_writes_are_written_anew(tmp_path: Path) -> None:
    (tmp_path / "docs/_site").mkdir(parents=True)
    (tmp_path / "docs/images").mkdir()
    (tmp_path / "docs/_site/llms.py").write_text("print('new')\n")
    (tmp_path / "docs/_site/picture.py").write_text("raise SystemExit('no picture')\n")
    (tmp_path / "docs/images/loop.svg").write_text("old\n")
    assert write_anew(tmp_path) == ["docs/images/loop.svg: no picture"]
    assert not (tmp_path / "llms.txt").exists(), "what the project does not have is not written"
    (tmp_path / "llms.txt").write_text("old\n")
    assert len(write_anew(tmp_path)) == 1
    assert (tmp_path / "llms.txt").read_text() == "new\n"
    assert (tmp_path / "docs/images/loop.svg").read_text() == "old\n"
