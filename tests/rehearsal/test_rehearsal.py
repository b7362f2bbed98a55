"""The loop of this template, rehearsed; and whether the rehearsal sees mistakes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rehearsal import scenarios
from rehearsal.mutations import MUTATIONS, Mutation, Story, check_all, lint, lintable
from rehearsal.world import TEMPLATE, World, begin, template_files, world


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "world", scenarios.settings()) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_from_the_first_push_to_a_service(fresh: World) -> None:
    scenarios.short(fresh)
    assert fresh.checked > 20


@pytest.mark.slow
def test_nothing_goes_to_the_remote_of_the_project(fresh: World, tmp_path: Path) -> None:
    def put_elsewhere(_: Path) -> None:
        (tmp_path / "remote").mkdir()
        fresh.do("git", "init", "-q", "-b", "main")
        fresh.do("dvc", "remote", "add", "-q", "--force", "--default", "shared", str(tmp_path / "remote"))

    fresh.mutate = put_elsewhere
    begin(fresh)
    assert "shared" in (fresh.alice / ".dvc" / "config").read_text()
    assert list((tmp_path / "remote").iterdir()) == []
    assert list((fresh.alice / "storage").rglob("*.dir")) != []


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("story", [scenarios.faults, scenarios.cloud], ids=lambda one: one.__name__)
def test_a_long_story(fresh: World, story: Story) -> None:
    story(fresh)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_every_mistake_is_found(tmp_path: Path) -> None:
    found = list(check_all(tmp_path / "bench"))
    assert [one.mutation.name for one in found if one.by is None] == []
    assert len(found) == len(MUTATIONS) >= 12


@pytest.mark.slow
def test_the_linters_find_nothing_in_the_workflows(tmp_path: Path) -> None:
    assert lint(lintable(tmp_path / "sound")) is None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_mistake_can_be_made(mutation: Mutation) -> None:
    """Where a workflow file changes, its mutation must be said anew."""
    text = (TEMPLATE / ".github" / "workflows" / mutation.file).read_text()
    assert mutation.put_into(text) != text


def test_a_rehearsed_project_has_no_results_of_the_template() -> None:
    names = template_files()
    assert "dvc.yaml" in names
    assert [name for name in names if name.startswith(("storage/", "artifacts/"))] == []
    assert "dvc.lock" not in names
