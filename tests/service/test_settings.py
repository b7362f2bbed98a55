"""The settings of the service from config, environment and words."""

from pathlib import Path

import pytest

from lightloop.config.compose import compose_config
from lightloop.doctor.environment import look_at_environment
from lightloop.errors import UsageError
from lightloop.project import Project
from lightloop.service.settings import settings_of


def test_words_win_over_the_environment_and_that_over_the_config(repository: Project) -> None:
    usual = settings_of(repository, [], {})
    assert usual == compose_config(repository).serve
    environment = {"LIGHTLOOP_SERVE_PORT": "8123", "LIGHTLOOP_SERVE_WORKERS": "3", "PATH": "/bin"}
    settings = settings_of(repository, ["serve.port=8124", "serve.canary.share=0.5"], environment)
    assert (settings.port, settings.workers, settings.canary.share) == (8124, 3, 0.5)
    assert settings.canary.requests == usual.canary.requests
    outside = settings_of(None, ["serve.origins=https://a.example,https://b.example"], {"LIGHTLOOP_SERVE_KEYS": "null"})
    assert outside.origins == ("https://a.example", "https://b.example")
    assert outside.keys is None
    assert settings_of(None, [f"serve.digest={'1' * 64}"], {}).digest == "1" * 64, (
        "digits are a text where one is meant"
    )


@pytest.mark.parametrize(
    ("words", "environment", "sentence"),
    [
        (["serve.prot=1"], {}, r"serve\.prot is unknown: did you mean serve\.port\?"),
        (["network=mlp"], {}, r"`network=mlp` is no setting of the service: write such as serve\.port=8080"),
        (["serve.port"], {}, r"`serve\.port` is no setting"),
        (["serve.port=http"], {}, r"serve\.port is 'http': input should be a valid integer"),
        (["serve.port=70000"], {}, r"serve\.port is 70000"),
        (["serve.canary.share=2"], {}, r"serve\.canary\.share is 2"),
        ([], {"LIGHTLOOP_SERVE_PROT": "1"}, "LIGHTLOOP_SERVE_PROT is unknown: did you mean LIGHTLOOP_SERVE_PORT"),
        (["serve.workers={"], {}, "is not a value that YAML can read"),
        ([], {"LIGHTLOOP_SERVE_WORKERS": "0"}, r"serve\.workers is 0"),
    ],
)
def test_a_wrong_setting_is_one_sentence(words: list[str], environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        settings_of(None, words, environment)


def test_a_typo_in_the_config_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "configs" / "serve").mkdir(parents=True)
    (tmp_path / "configs" / "serve" / "default.yaml").write_text("prot: 1\n")
    with pytest.raises(UsageError, match=r"configs/serve/default\.yaml: prot is unknown: did you mean port\?"):
        settings_of(Project(tmp_path), [], {})


def test_the_doctor_knows_variables_of_settings_and_names_slips() -> None:
    given = {"LIGHTLOOP_SERVE_PORT": "80", "LIGHTLOOP_SERVE_LOG_FOLDER": "x", "LIGHTLOOP_SERVE_PROT": "81"}
    said = {finding.name: finding.said for finding in look_at_environment(given)}
    assert said["unknown"] == "nothing reads LIGHTLOOP_SERVE_PROT: did you mean LIGHTLOOP_SERVE_PORT?"
