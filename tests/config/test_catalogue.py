"""What can be named is listed, has a summary, and the page in docs/ says the same."""

import re

import pytest

from lightloop.config.catalogue import catalogue, group_named, print_catalogue, to_markdown
from lightloop.errors import UsageError
from lightloop.project import Project


def test_every_entry_has_a_summary_and_settings_in_words(repository: Project):
    for group, entries in catalogue(repository.configs).items():
        for entry in entries:
            assert entry.summary.endswith((".", "?")), f"{group} {entry.name}: {entry.summary!r}"
            assert "Plain data that is checked once" not in entry.summary


def test_every_component_can_be_chosen_by_a_file(repository: Project):
    found = catalogue(repository.configs)
    for group in ("network", "task", "optimizer", "scheduler", "loss", "preprocess", "average"):
        missing = [entry.name for entry in found[group] if not entry.files]
        assert not missing, f"configs/{group}/ has no file for {', '.join(missing)}"


def test_the_page_in_docs_is_up_to_date(repository: Project):
    page = (repository.root / "docs/components.md").read_text(encoding="utf-8")
    assert page == to_markdown(catalogue(repository.configs)), "run `lightloop list --markdown > docs/components.md`"


def test_a_group_is_found_by_its_plural_and_a_typo_by_the_nearest(repository: Project):
    groups = list(catalogue(repository.configs))
    assert group_named("networks", groups) == group_named("network", groups) == "network"
    with pytest.raises(UsageError, match="there are no 'optimisers' to list: did you mean 'optimizers'"):
        group_named("optimisers", groups)


def test_the_list_names_every_network(repository: Project, capsys: pytest.CaptureFixture[str]):
    found = catalogue(repository.configs)
    print_catalogue(found, None)
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    for entry in found["network"]:
        assert entry.name in shown
    print_catalogue(found, "networks")
    assert "dropout: number" in capsys.readouterr().out
