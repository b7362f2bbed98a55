"""The page's files: nothing within that a strict policy forbids, nothing else within reach."""

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lightloop.service.page import HEADERS, ROOM, add_page


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = Starlette()
    add_page(app)
    return TestClient(app)


def linked(text: str) -> list[str]:
    return re.findall(r'(?:href|src)="(page/[^"]+)"', text)


def test_all_that_the_page_names_is_there(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    names = linked(page.text)
    assert len(names) >= 5
    for name in names:
        assert client.get(f"/{name}").status_code == 200, name
    for script in ROOM.glob("*.js"):
        for module in re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8")):
            answer = client.get(f"/page/{module}")
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8", module


def test_every_answer_has_the_policy_and_is_asked_for_again(client: TestClient) -> None:
    for path in ("/", "/page/page.js", "/page/site.css", "/page/mark.svg"):
        answer = client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        again = client.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_nothing_within_needs_more_than_the_policy_allows() -> None:
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    html = (ROOM / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|javascript:", html)
    for file in ROOM.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", re.sub("// .*", "", text)
        ), file.name
        # The name space of SVG is no address that is asked.
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)\S+", text) == [], file.name


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/index.html",
        "/page/../__init__.py",
        "/page/%2e%2e/__init__.py",
        "/page/..%2f__init__.py",
        "/page/site.js",
    ],
)
def test_nothing_else_is_within_reach(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_only_reading_is_allowed(client: TestClient) -> None:
    assert client.post("/").status_code == 405
    assert client.head("/").status_code == 200
