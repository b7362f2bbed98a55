"""A step of a workflow: its environment, its outputs, and a forge on loopback that it talks to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rehearsal.forge import BOT, Forge
from rehearsal.runner import Runner, Token


@dataclass
class Step:
    """What a step wrote for GitHub."""

    folder: Path

    @property
    def outputs(self) -> dict[str, str]:
        path = self.folder / "output"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return dict(line.split("=", 1) for line in lines)

    @property
    def summary(self) -> str:
        path = self.folder / "summary"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests themselves may run in a workflow."""
    for name in ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_REPOSITORY", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "GITHUB_API_URL",
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "DEPLOY_TARGET",
        "LIGHTLOOP_DEPLOY_ROOT",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """As GitHub runs it."""
    folder = tmp_path / "step"
    folder.mkdir()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(folder / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary"))
    return Step(folder)


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """An empty repository; no workflow runs."""
    with Forge(tmp_path / "forge", Runner(tmp_path / "runner")) as made:
        monkeypatch.setenv("GITHUB_SERVER_URL", made.url)
        monkeypatch.setenv("GITHUB_API_URL", made.api)
        monkeypatch.setenv("GITHUB_REPOSITORY", made.slug)
        yield made
        assert made.faults == []


@pytest.fixture
def grant(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the step a token with the permissions that are named."""

    def give(**permissions: str) -> None:
        rights = {name.replace("_", "-"): level for name, level in permissions.items()}
        forge.tokens["ghs_step"] = Token(BOT, bot=True, rights=rights, run=7, job="step")
        monkeypatch.setenv("GH_TOKEN", "ghs_step")

    return give
