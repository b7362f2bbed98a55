"""What can be named is listed, has a summary, and the page in docs/ says the same."""

import re

import pytest

from lightloop.config.catalogue import catalogue, group_named, plural, print_catalogue, to_markdown
from lightloop.config.compose import compose_config
from lightloop.config.methods import METHODS
from lightloop.errors import UsageError
from lightloop.project import Project


def test_every_entry_has_a_summary_and_settings_in_words(repository: Project):
    for group, entries in catalogue(repository.configs).items():
        for entry in entries:
            assert entry.summary.endswith((".", "?")), f"{group} {entry.name}: {entry.summary!r}"
            assert "Plain data that is checked once" not in entry.summary


def test_every_component_can_be_chosen_by_a_file(repository: Project):
    found = catalogue(repository.configs)
    for group in (
        "network",
        "task",
        "optimizer",
        "scheduler",
        "loss",
        "preprocess",
        "average",
        "balance",
        "ensemble",
        "debug",
    ):
        missing = [entry.name for entry in found[group] if not entry.chosen]
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


def test_methods_inside_of_groups_are_those_of_the_schema(repository: Project):
    found = catalogue(repository.configs)
    for group, methods in METHODS.items():
        names = [entry.name for entry in found[group]]
        assert sorted(names) == sorted(methods.meanings), f"{group}: config/methods.py says what each is"
        assert len(names) == len(set(names))
        assert all(entry.chosen for entry in found[group])
    names = {group: [entry.name for entry in entries] for group, entries in found.items()}
    # of feature: sweeps
    assert names["sampler"] == ["tpe", "gp", "cmaes", "nsga2", "random", "grid"]
    assert names["pruner"] == ["none", "median", "hyperband"]
    # end
    of_modalities = [
        "swap",
        # of feature: image
        *("flip", "mixup", "cutmix"),
        # end
        # of feature: text
        "dropout",
        # end
        # of feature: series
        *("jitter", "warp"),
        # end
        # of feature: tabular
        "noise",
        # end
    ]
    assert set(of_modalities) <= set(names["augmentation"])
    assert len({plural(group) for group in found}) == len(found)


# By modality an experiment whose config takes the words.
EXPERIMENTS = {"image": "fashion", "tabular": "loans", "text": "spam", "series": "co2"}


def test_what_is_said_to_choose_a_method_composes(repository: Project):
    """A sample of each kind of key: a word, a list of words, a switch."""
    found = catalogue(repository.configs)
    for modality, group, name in (
        ("tabular", "missing", "knn"),
        # of feature: text
        ("text", "text_normalisation", "lowercase"),
        # end
        # of feature: series
        ("series", "calendar", "week"),
        # end
        # of feature: image
        ("image", "augmentation", "flip"),
        # end
        ("tabular", "activation", "mish"),
        ("tabular", "split", "random"),
    ):
        (entry,) = [entry for entry in found[group] if entry.name == name]
        words = entry.chosen[-1]
        config = compose_config(repository, [f"experiment={EXPERIMENTS[modality]}", words])
        value = config
        for part in words.partition("=")[0].split("."):
            value = getattr(value, part)
        assert value in (name, (name,), True)


def test_settings_carry_what_the_docstrings_say_of_them(repository: Project):
    found = catalogue(repository.configs)
    (mlp,) = [entry for entry in found["network"] if entry.name == "mlp"]
    assert mlp.notes["hidden"] == "width of each hidden layer."
    assert "Parameters: (a + 1) b a layer" in mlp.details
    assert "torch.Size" not in mlp.details
    page = to_markdown(found)
    assert "- `hidden`: list of whole number = 256, 128; width of each hidden layer." in page
    assert "### mlp" in page
