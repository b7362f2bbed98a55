"""The settings of a service from config, environment and words; bundles by path and by release."""

from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

from lightloop.config.compose import compose_config
from lightloop.deploy.released import (
    DEPLOY_ROOT,
    by_path,
    fetched,
    folder_of,
    kept,
    production_release,
    settings_of,
)
from lightloop.deploy.targets import deploy_to
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project


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


def test_a_bundle_by_path_is_verified(tmp_path: Path) -> None:
    bundle = tiny_bundle("text", tmp_path / "bundle")
    served = by_path(bundle)
    assert served.version is None
    assert served.title == f"bundle {served.digest[:12]}"
    assert Path(served.folder).is_absolute()
    (bundle / "model.onnx").write_bytes(b"")
    with pytest.raises(LightloopError, match=r"model\.onnx"):
        by_path(bundle)
    with pytest.raises(UsageError, match="is no folder"):
        by_path(tmp_path / "none")


@pytest.mark.slow
def test_a_release_is_fetched_once_and_again_when_it_is_damaged(two_releases: Project, tmp_path: Path) -> None:
    release = production_release(two_releases)
    served = fetched(two_releases, release)
    assert served.version == "v0.1.0"
    assert served.digest == release.digest
    assert served.about["metrics"]["accuracy"] == release.metrics["accuracy"]["value"]
    card = served.about["card"]
    assert card == two_releases.model_card.read_text(encoding="utf-8")
    assert not two_releases.released_card.exists()  # the second release came without one
    graph = Path(served.folder) / "model.onnx"
    first = graph.stat().st_ino
    assert fetched(two_releases, release) == served
    assert graph.stat().st_ino == first
    graph.chmod(0o644)
    graph.write_bytes(b"damaged")
    assert fetched(two_releases, release) == served
    assert graph.stat().st_size > 100
    kept(two_releases, ["v0.1.0"])
    assert graph.exists()
    kept(two_releases, [])
    assert not graph.exists()


def test_a_wrong_target_is_one_sentence(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.root)
    with pytest.raises(UsageError, match="there is no target 'kubernets': did you mean 'kubernetes'"):
        deploy_to("kubernets", [])
    with pytest.raises(UsageError, match="--render is not for the target local"):
        deploy_to("local", [], render=Path("x"))
    with pytest.raises(UsageError, match="--canary is for the target local"):
        deploy_to("container", [], canary=0.1)


def test_a_service_can_be_kept_outside_of_a_project_that_does_not_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(DEPLOY_ROOT, "")
    assert folder_of(Project(tmp_path)) == tmp_path / ".lightloop" / "service"
    monkeypatch.setenv(DEPLOY_ROOT, str(tmp_path / "kept"))
    assert folder_of(Project(tmp_path / "job")) == tmp_path / "kept"
