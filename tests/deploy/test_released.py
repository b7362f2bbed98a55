"""Bundles by path and by release."""

from pathlib import Path

import pytest
from tiny_bundles import PLAIN, tiny_bundle

from lightloop.deploy.released import (
    DEPLOY_ROOT,
    by_path,
    fetched,
    folder_of,
    kept,
    production_release,
)
from lightloop.deploy.targets import deploy_to
from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project


def test_a_bundle_by_path_is_verified(tmp_path: Path) -> None:
    bundle = tiny_bundle(PLAIN, tmp_path / "bundle")
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
