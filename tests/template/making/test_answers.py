"""What a person answers is checked at once, with a sentence that says what is expected."""

import sys
from pathlib import Path

import pytest

from lightloop.errors import UsageError
from lightloop.template.making.answers import make_answers, read_answers
from lightloop.template.making.asking import Given, ask
from lightloop.template.slim import read_features

GOOD = {"name": "Churn at Acme", "author": "Acme Ltd", "year": 2026}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "Chürn"}, "name must be ASCII letters and digits, .+ such as Churn at Acme, but is 'Chürn'"),
        ({"name": "2 much"}, "name must be ASCII letters"),
        ({"name": "x" * 41}, "at most 40 characters"),
        ({"name": "import"}, "name must be another name: import means something else to Python"),
        ({"name": "Json"}, "json means something else"),
        ({"name": "Data"}, "data means something else to Python or in this repository"),
        ({"name": "torch"}, "a package that this project uses is imported as torch"),
        ({"author": ""}, "author must be a person or an organisation"),
        ({"author": 'A "B"'}, "author must be a line without quotes"),
        ({"description": "a\nb"}, "description must be a line without quotes"),
        ({"email": "nobody"}, "email must be an address such as"),
        (
            {"licence": "GPL"},
            "licence must be input should be 'MIT', 'Apache-2.0', 'BSD-3-Clause' or 'proprietary', but",
        ),
        ({"remote": "ftp://x"}, "remote must be `embedded`, s3://"),
        (
            {"remote": "s3://me:secret@bucket"},
            "remote must be an address without a password",
        ),  # pragma: allowlist secret
        ({"entity": "a b"}, "entity must be letters"),
        ({"lisence": "MIT"}, r"the answers have no 'lisence' \(did you mean 'licence'\?\)"),
    ],
)
def test_a_wrong_answer_is_one_sentence(change: dict[str, str], sentence: str):
    with pytest.raises(UsageError, match=sentence):
        make_answers(GOOD | change)


def test_what_must_be_given_is_named():
    with pytest.raises(UsageError, match="the answers: name must be given, but is nothing"):
        make_answers({"author": "Acme"})


def test_a_file_of_answers_is_yaml_with_lines(tmp_path: Path):
    with pytest.raises(UsageError, match=r"nowhere\.yaml can't be read"):
        read_answers(tmp_path / "nowhere.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(UsageError, match="must hold lines such as `name: Churn`, but holds list"):
        read_answers(tmp_path / "list.yaml")
    (tmp_path / "broken.yaml").write_text("name: [\n")
    with pytest.raises(UsageError, match=r"broken\.yaml is no YAML"):
        read_answers(tmp_path / "broken.yaml")


def given(**said) -> Given:
    return Given(**({"file": None, "name": None, "author": None, "leave_out": None, "yes": False} | said))


def test_options_win_over_the_file_and_defaults_fill_the_rest(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("name: Churn\nauthor: Somebody\nlicence: proprietary\n")
    answers = ask(given(file=tmp_path / "a.yaml", author="Acme"), tmp_path)
    assert (answers.name, answers.author, answers.licence) == ("Churn", "Acme", "proprietary")
    root = tmp_path / "churn-model"
    root.mkdir()
    assert ask(given(yes=True, author="Acme"), root).name == "churn-model"
    root = tmp_path / "lightloop"
    root.mkdir()
    with pytest.raises(UsageError, match="name must be given"):
        ask(given(yes=True, author="Acme"), root)


def test_unknown_features_and_experiments_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"'githab' is no feature: did you mean 'github'\?"):
        ask(given(yes=True, name="Churn", author="A", leave_out="githab"), tmp_path)
    (tmp_path / "a.yaml").write_text("name: Churn\nauthor: A\nexperiments: [mnist]\n")
    with pytest.raises(UsageError, match="'mnist' is no experiment of the template: they are co2"):
        ask(given(file=tmp_path / "a.yaml"), tmp_path)


def test_what_tests_run_on_is_kept(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("name: Churn\nauthor: A\nexperiments: [loans, loans-fast]\n")
    with pytest.raises(UsageError, match="tests and rehearsal run on fashion: keep it in `experiments`"):
        ask(given(file=tmp_path / "a.yaml"), tmp_path)


def test_a_feature_that_no_tested_project_was_without_is_refused(tmp_path: Path):
    offered = read_features().offered
    for name in read_features().features:
        one = given(yes=True, name="Churn", author="A", leave_out=name)
        if name in offered:
            assert ask(one, tmp_path).leave_out == (name,)
        else:
            with pytest.raises(
                UsageError, match=f"^{name} can't be left out yet, since no project without it has passed"
            ):
                ask(one, tmp_path)


def test_two_kinds_of_data_are_not_left_out_together(tmp_path: Path):
    said = {"yes": True, "name": "Churn", "author": "A"}
    assert ask(given(**said, leave_out="series,generation"), tmp_path).leave_out == ("series", "generation")
    with pytest.raises(UsageError, match=r"^image and series can't be left out together yet, .*: leave out one"):
        ask(given(**said, leave_out="series,image"), tmp_path)


def test_nobody_at_the_keyboard_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match="nobody is at the keyboard: say --answers FILE, or --yes"):
        ask(given(), tmp_path)


def test_a_person_is_asked_and_asked_again_where_the_answer_is_wrong(tmp_path, monkeypatch, capsys):
    said = iter(
        [
            "torch",
            "Churn",
            "Acme",
            "",
            "",
            "MIT",
            "wanbd",
            "none",
            "embedded",
            "kubernetes",
            "generation",
            "fashion, loans loans-fast",
        ]
    )
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(said))
    answers = ask(given(), tmp_path)
    assert (answers.name, answers.tracking, answers.target) == ("Churn", "none", "kubernetes")
    assert answers.leave_out == ("generation",)
    assert answers.experiments == ("fashion", "loans", "loans-fast")
    assert next(said, None) is None
    told = capsys.readouterr().out
    assert "imported as torch" in told
    assert "one of wandb, none" in told
