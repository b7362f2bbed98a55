"""Each page has its place on the site; llms.txt and the picture of the loop are what their programs make of it."""

import doctest
import re
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import pairwise

import pytest
import yaml
from pages import DOCS, pages, tokens
from small_project import REPOSITORY

SITE = DOCS / "_site"


@pytest.fixture(autouse=True)
def _site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SITE))


def about() -> dict[str, str]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_page_is_listed_once() -> None:
    from sections import items

    listed: Counter[str] = Counter()
    for page in DOCS.rglob("*.md"):
        for item in items(page.read_text(encoding="utf-8")):
            listed[(page.parent / item.page).resolve().relative_to(DOCS).as_posix()] += 1

    there = {page.removeprefix("docs/") for page in pages() if page.startswith("docs/")} - {"index.md"}
    assert set(listed) == there, "list a new page in docs/how-to.md: `- [title](page.md): what it is about.`"
    assert [page for page, times in listed.items() if times > 1] == []


def test_every_page_that_llms_txt_shows_has_a_sentence() -> None:
    from sections import items

    for index in ("index", "how-to", "reference", "design"):
        for item in items((DOCS / f"{index}.md").read_text(encoding="utf-8")):
            assert item.note.endswith("."), item


def test_every_page_has_one_title_first() -> None:
    for page in pages():
        levels = [token.tag for token in tokens(page) if token.type == "heading_open"]
        assert levels[0] == "h1", page
        assert levels.count("h1") == 1, page
        assert all(int(there[1]) <= int(here[1]) + 1 for here, there in pairwise(levels)), page


def test_every_column_of_a_table_has_a_title() -> None:
    """A screen reader says it before each cell."""
    empty = [
        page
        for page in pages()
        for here, there in pairwise(tokens(page))
        if here.type == "th_open" and not there.content.strip()
    ]
    assert empty == []


def test_llms_txt_is_that_of_the_pages() -> None:
    from llms import text

    found = (REPOSITORY / "llms.txt").read_text(encoding="utf-8")
    assert found == text(), "run `python docs/_site/llms.py > llms.txt`"


def test_llms_txt_has_the_form_of_llmstxt_org() -> None:
    """A title, a quote, text without titles, then titles over lists of links with notes; every linked file is there."""
    lines = (REPOSITORY / "llms.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {about()['name'].capitalize()}"
    assert lines[2].startswith("> ")
    first = next(place for place, line in enumerate(lines) if line.startswith("## "))
    assert not any(line.startswith("#") for line in lines[1:first])
    item = re.compile(r"- \[[^\]]+\]\(([^)]+)\)(: .+)?")
    below = [line for line in lines[first:] if line and not line.startswith("## ")]
    assert [line for line in below if not item.fullmatch(line)] == []
    targets = [found[1] for line in below if (found := item.fullmatch(line))]
    assert len(targets) > 15
    assert [target for target in targets if not (REPOSITORY / target).is_file()] == []


def test_the_picture_shows_stages_of_the_pipeline_in_their_order() -> None:
    """A stage that a project adds may be missing from it, but nothing is shown that is not there."""
    from picture import RELEASED, draw

    stages = list(yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    told = (DOCS / "images/loop.svg").read_text(encoding="utf-8")
    shown = re.findall(r"\w+", told.split("</title>")[0].split("data, ")[1].split(f", {RELEASED[0]}")[0])
    assert told == draw(shown), "run `python docs/_site/picture.py > docs/images/loop.svg`"
    assert shown == [stage for stage in stages if stage in shown]
    assert {"train", "gate"} <= set(shown)


@pytest.mark.parametrize("stages", [["train"], ["validate", "train", "gate"], [f"stage{n}" for n in range(15)]])
def test_the_picture_holds_any_pipeline_without_overlap(stages: list[str]) -> None:
    from picture import RELEASED, draw

    root = ET.fromstring(draw(stages))
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    boxes = [
        tuple(float(rect.attrib[side]) for side in ("x", "y", "width", "height"))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
    ]
    assert len(boxes) == len(stages) + 1 + len(RELEASED)
    assert len({box[:2] for box in boxes}) == len(boxes)
    for x, y, wide, tall in boxes:
        assert x >= 0
        assert y >= 0
        assert x + wide <= width
        assert y + tall <= height


def test_no_picture_needs_a_script_or_an_address() -> None:
    for path in (DOCS / "images").glob("*.svg"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "<script" not in text
        assert "http" not in text


@pytest.mark.parametrize("name", ["sections", "reference"])
def test_the_examples_of_the_generator_run(name: str) -> None:
    import importlib

    result = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert result.attempted
    assert not result.failed


def test_the_commands_page_has_every_command() -> None:
    import typer
    from reference import commands

    import lightloop.cli  # noqa: F401 - it adds the commands
    from lightloop.cli.application import app

    text = commands()
    group = typer.main.get_command(app)
    commands_by_name = {name: one for name, one in group.commands.items() if not one.hidden}  # type: ignore[attr-defined]
    assert len(commands_by_name) > 20
    for name, one in commands_by_name.items():
        part = text.split(f"\n## `lightloop {name}`\n")[1].split("\n## ")[0]
        assert " ".join((one.help or "").split()) in " ".join(part.split()), name
        options = [option for param in one.params for option in getattr(param, "opts", []) if option.startswith("--")]
        assert [option for option in options if option not in part and option != "--help"] == [], name
