"""The site builds strictly, and what is built holds together: no address outside, no lost link, everything found."""

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pages import pages
from site_builds import build
from small_project import REPOSITORY

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page loads, where it leads, and what in it can be linked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.names |= {told[name] for name in ("id", "name") if name in told}
        if tag in ("script", "img", "iframe", "source") and told.get("src"):
            self.loads.append(told["src"])
        if tag == "link" and told.get("rel") not in ("next", "prev", "search", "index", "genindex"):
            self.loads.append(told["href"])
        if tag == "a" and told.get("href"):
            self.leads.append(told["href"])


@pytest.fixture(scope="module")
def built(site: Path) -> dict[Path, Page]:
    return {
        path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if "_static" not in path.parts
    }


def test_every_page_is_on_the_site(site: Path, built: dict[Path, Page]) -> None:
    told = {page.removeprefix("docs/").removesuffix(".md") for page in pages() if page.startswith("docs/")}
    assert told <= {path.relative_to(site).as_posix().removesuffix(".html") for path in built}


def test_nothing_is_loaded_from_elsewhere(site: Path, built: dict[Path, Page]) -> None:
    for path, page in built.items():
        for address in page.loads:
            assert not urlsplit(address).netloc, f"{path}: {address}"
            assert (path.parent / unquote(urlsplit(address).path)).exists(), f"{path}: {address}"
    for sheet in site.rglob("*.css"):
        told = re.findall(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')\s]+)", sheet.read_text(encoding="utf-8"))
        assert told == [], sheet


def test_every_link_of_the_site_leads_somewhere(site: Path, built: dict[Path, Page]) -> None:
    lost = []
    for path, page in built.items():
        for address in page.leads:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = built.get(target)
            if not target.exists() or (parts.fragment and known and unquote(parts.fragment) not in known.names):
                lost.append(f"{path.relative_to(site)}: {address}")
    assert lost == []


def test_the_reference_comes_from_the_code(site: Path) -> None:
    text = (site / "commands.html").read_text(encoding="utf-8")
    assert "label-next" in text
    assert "least_confidence" in text
    python = (site / "python.html").read_text(encoding="utf-8")
    assert "Verify and open a bundle" in python
    assert 'id="lightloop.serving.predictor.Predictor.predict"' in python
    schema = json.loads((site / "config.schema.json").read_text(encoding="utf-8"))
    assert "network" in schema["properties"]


def test_assistants_find_the_pages_as_markdown(site: Path) -> None:
    told = re.findall(r"\]\((_sources/[^)]+)\)", (site / "llms.txt").read_text(encoding="utf-8"))
    assert len(told) > 15
    assert [name for name in told if not (site / name).read_text(encoding="utf-8").startswith("# ")] == []


def test_nothing_on_the_site_says_where_it_was_made(site: Path) -> None:
    told = (str(REPOSITORY), os.uname().nodename)
    for path in [*site.rglob("*.html"), *site.rglob("*.js"), *site.rglob("*.json")]:
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert [one for one in told if len(one) > 3 and one in text] == [], path


@pytest.mark.parametrize(
    ("page", "added", "sentence"),
    [
        ("data.md", "[a page](serving.md#ask)", None),
        ("data.md", "[a page](no-such-page.md)", "no-such-page.md"),
        ("data.md", "[a title](serving.md#no-such-title)", "no-such-title"),
        ("lonely.md", "# Lonely", "isn't included in any toctree"),
    ],
)
def test_a_mistake_breaks_the_build(tmp_path: Path, page: str, added: str, sentence: str | None) -> None:
    """In a copy with few pages, so that it is quick."""
    docs = tmp_path / "docs"
    for name in ("_site", "images"):
        shutil.copytree(REPOSITORY / "docs" / name, docs / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("data", "serving"):
        (docs / f"{name}.md").write_text(f"# {name}\n\n## Ask\n", encoding="utf-8")
    (docs / "index.md").write_text("# Few\n\n- [d](data.md)\n- [s](serving.md)\n", encoding="utf-8")
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    (tmp_path / "src").symlink_to(REPOSITORY / "src")
    path = docs / page
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + f"\n{added}\n", encoding="utf-8")

    done = build(docs, tmp_path / "site")
    assert (done.returncode == 0) == (sentence is None), done.stderr
    assert sentence is None or sentence in done.stderr
