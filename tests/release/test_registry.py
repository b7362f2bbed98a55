"""The registry on real git, DVC and GTO: the story of a model, and everything that must be refused on the way."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from registry_world import clone, dvc, git, make_model, make_world, replace_bundle, tags, verdict

from lightloop.errors import LightloopError, RefusedError, UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.release.champion import write_champion
from lightloop.release.fetched import fetch_bundle
from lightloop.release.history import production, releases
from lightloop.release.registry import print_releases, promote, register, rollback
from lightloop.serving.manifest import verify_bundle


def add_version(project: Project, version: str, **judged: Any) -> None:
    """A further version by GTO itself, with a verdict in git and without a new bundle in DVC."""
    from gto import api

    write_json(project.gate, verdict(f"{version} digest", **judged))
    git(project.root, "commit", "-qam", version)
    api.register(project.root, "model", "HEAD", version=version, message=f"{version}: by hand")


def standing(project: Project, stage: str = "production") -> str | None:
    return next((release.version for release in releases(project) if stage in release.stages), None)


def by_gto(project: Project, stage: str = "production") -> str | None:
    """The same question to GTO's own table, as `gto show` prints it."""
    from gto import api

    state: Any = api.show(project.root)
    version: str | None = state["model"]["stage"][stage]
    return version


# The story.


def test_a_project_in_a_folder_of_a_repository_has_a_registry(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    project = make_world(shop / "ml")
    (project.root / ".git").rename(shop / ".git")
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "The loop beside the shop")
    register(project, commit=True)
    promote(project, stage="production")
    assert standing(project) == "v0.1.0"
    assert "ml/dvc.lock" in git(shop, "ls-files")
    (release,) = releases(project)
    assert fetch_bundle(project, release, tmp_path / "fetched") == release.digest
    with pytest.raises(UsageError, match=r"there is no stage 'canary'.*\.gto names staging, production"):
        promote(project, stage="canary")


def test_first_release_names_a_commit_that_holds_everything(released: Project) -> None:
    (release,) = releases(released)
    judged = read_json(released.gate)
    assert (release.version, release.tag, release.stages) == ("v0.1.0", "model@v0.1.0", ("production",))
    assert release.commit == git(released.root, "rev-parse", "HEAD").strip()
    assert (release.verdict, release.digest) == ("accepted", judged["bundle_digest"])
    assert release.metrics["accuracy"]["value"] == 0.901
    assert release.author == "Test"
    assert production(released) == release
    assert git(released.root, "status", "--short") == ""


def test_tags_are_annotated_and_say_what_was_released(released: Project) -> None:
    digest = read_json(released.gate)["bundle_digest"][:12]
    line = f"v0.1.0: gate accepted, accuracy 0.9010 [0.8800, 0.9200], bundle {digest}"
    listed = git(
        released.root, "for-each-ref", "--format=%(objecttype) %(refname:short) %(contents:subject)", "refs/tags"
    )
    assert listed.splitlines() == [f"tag model#production#1 {line}", f"tag model@v0.1.0 {line}"]


def test_the_release_commit_holds_only_outputs_of_the_loop(released: Project) -> None:
    names = git(released.root, "show", "--name-only", "--format=%s", "HEAD").split("\n")
    assert names[0] == "Release v0.1.0 of the model: gate accepted"
    assert {name.split("/")[0] for name in names[1:] if name} == {"artifacts", "dvc.lock", "storage"}
    assert "artifacts/sbom.json" in names


@pytest.mark.slow
def test_the_whole_story(first: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two versions, a rollback, a forced promotion, and another person's clone that sees each of them."""
    shutil.copytree(first.root, tmp_path / "world")
    project = Project(tmp_path / "world")
    assert register(project, commit=True, message="First try.").message.endswith("\n\nFirst try.")
    promote(project, stage="production")
    other = clone(project, tmp_path / "other")
    assert write_champion(other) == "v0.1.0"
    digest = verify_bundle(other.champion_bundle)

    make_model(project, 2, champion={"version": "v0.1.0"})
    second = register(project, commit=True, bump="patch")
    assert second.version == "v0.1.1"
    promote(project, stage="staging")
    promote(project, stage="production")
    git(other.root, "pull", "-q", "--tags")
    assert write_champion(other) == "v0.1.1"
    assert verify_bundle(other.champion_bundle) == second.digest != digest

    assert rollback(project).version == "v0.1.0"
    git(other.root, "fetch", "-q", "--tags")
    assert write_champion(other) == "v0.1.0"
    assert verify_bundle(other.champion_bundle) == digest

    make_model(project, 3, champion={"version": "v0.1.0"}, accepted=False)
    third = register(project, commit=True, bump="major")
    assert (third.version, third.verdict) == ("v1.0.0", "refused")
    with pytest.raises(RefusedError, match=r"v1\.0\.0 can't be promoted .*Accuracy is far too low"):
        promote(project, stage="production")
    promote(project, stage="production", force=True)
    git(other.root, "pull", "-q", "--tags")
    assert write_champion(other) == "v1.0.0" == by_gto(other)

    print_releases(other)
    printed = capsys.readouterr().out
    assert "v1.0.0   production  refused" in printed
    assert "v0.1.1   staging     accepted" in printed
    assert dvc(project.root, "status", "--json").strip() == "{}"


# Promoting and rolling back.


def test_promotion_needs_a_stage_that_there_is(running: Project) -> None:
    with pytest.raises(
        UsageError, match=r"no stage 'prodution': did you mean 'production'\?; \.gto names staging, prod"
    ):
        promote(running, stage="prodution")


def test_promotion_needs_a_version_that_there_is(running: Project) -> None:
    with pytest.raises(UsageError, match=r"no version v0\.1\.1: did you mean 'v0\.1\.0'\?; registered are v0\.1\.0"):
        promote(running, stage="staging", version="0.1.1")


def test_promotion_without_any_version(world: Project) -> None:
    with pytest.raises(UsageError, match="no version is registered yet: `lightloop register`"):
        promote(world, stage="staging")


def test_promotion_takes_the_version_of_the_commit_never_the_newest(running: Project) -> None:
    add_version(running, "v0.2.0", champion={"version": "v0.1.0"})
    git(running.root, "checkout", "-q", "model@v0.1.0")
    assert promote(running, stage="staging").version == "v0.1.0"
    git(running.root, "checkout", "-q", "main")
    git(running.root, "commit", "-q", "--allow-empty", "-m", "later")
    with pytest.raises(
        UsageError, match=r"is not registered: say which version with `--version` \(v0\.2\.0, v0\.1\.0\)"
    ):
        promote(running, stage="staging")


def test_what_stands_already_is_not_promoted(running: Project) -> None:
    with pytest.raises(UsageError, match=r"v0\.1\.0 stands in production already"):
        promote(running, stage="production", version="v0.1.0")


@pytest.mark.parametrize(
    ("judged", "objection"),
    [
        ({"champion": {"version": "v0.1.0"}, "accepted": False}, "gate refused: Accuracy is far too low"),
        ({"champion": None}, r"the gate compared with no champion, but v0\.1\.0 stands in production now"),
        (
            {"champion": {"version": "v0.0.9"}},
            r"the gate compared with v0\.0\.9, but v0\.1\.0 stands in production now",
        ),
    ],
)
def test_force_overrules_the_gate_and_the_tag_says_so(running: Project, judged: dict[str, Any], objection: str) -> None:
    add_version(running, "v0.2.0", **judged)
    with pytest.raises(RefusedError, match=f"v0.2.0 can't be promoted to production: {objection}; `--force`"):
        promote(running, stage="production")
    assert standing(running) == "v0.1.0"
    promote(running, stage="production", force=True)
    assert standing(running) == "v0.2.0" == by_gto(running)
    message = git(running.root, "tag", "-l", "--format=%(contents)", "model#production#2")
    assert message.startswith("forced: " + objection.replace("\\", "").split(":")[0])
    assert "v0.2.0: by hand" in message


def test_a_version_without_a_verdict_is_not_promoted(running: Project) -> None:
    from gto import api

    running.gate.write_text("{ half")
    git(running.root, "commit", "-qam", "damaged")
    api.register(running.root, "model", "HEAD", version="v0.2.0", message="x")
    with pytest.raises(RefusedError, match=r"there is no readable gate verdict in git at model@v0\.2\.0"):
        promote(running, stage="production")


def test_the_verdict_of_the_tag_counts_not_that_of_the_working_tree(running: Project) -> None:
    add_version(running, "v0.2.0", champion={"version": "v0.1.0"}, accepted=False)
    write_json(running.gate, verdict("x", champion={"version": "v0.1.0"}))
    with pytest.raises(RefusedError, match="gate refused"):
        promote(running, stage="production")


def test_staging_asks_for_the_verdict_only(running: Project) -> None:
    """The gate compares with production, so another champion is no reason against staging."""
    add_version(running, "v0.2.0", champion=None)
    assert promote(running, stage="staging").stages == ("staging",)


def test_rollback_puts_the_previous_version_back_and_adds_to_history(running: Project) -> None:
    """GTO's `find_versions_in_stage` answers the highest version that ever stood there; `show` answers the last."""
    add_version(running, "v0.2.0", champion={"version": "v0.1.0"})
    promote(running, stage="production")
    before = tags(running.root)
    assert rollback(running).version == "v0.1.0"
    assert standing(running) == "v0.1.0" == by_gto(running)
    assert set(tags(running.root)) - set(before) == {"model#production#3"}
    with pytest.raises(UsageError, match=r"no version stood in production before v0\.1\.0"):
        rollback(running)


@pytest.mark.slow
def test_rollbacks_walk_back_one_by_one(running: Project) -> None:
    add_version(running, "v0.2.0", champion={"version": "v0.1.0"})
    promote(running, stage="production")
    add_version(running, "v0.3.0", champion={"version": "v0.2.0"})
    promote(running, stage="production")
    for version in ("v0.2.0", "v0.1.0"):
        assert rollback(running).version == version
        assert standing(running) == version == by_gto(running)
    promote(running, stage="production", version="v0.3.0", force=True)
    assert rollback(running).version == "v0.1.0"
    message = git(running.root, "tag", "-l", "--format=%(contents:subject)", "model#production#4").strip()
    assert message == "rollback from v0.3.0 to v0.2.0"


def test_rollback_of_an_empty_stage(running: Project) -> None:
    with pytest.raises(UsageError, match="nothing stands in staging, so there is nothing to roll back"):
        rollback(running, stage="staging")


def test_assignments_within_one_second_are_refused_when_others_made_them(
    running: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GTO can't order them; our own wait for a new second."""
    add_version(running, "v0.2.0", champion={"version": "v0.1.0"})
    date = git(running.root, "tag", "-l", "--format=%(taggerdate:raw)", "model#production#1").strip()
    monkeypatch.setenv("GIT_COMMITTER_DATE", date)
    git(running.root, "tag", "-a", "-m", "x", "model#production#2", "HEAD")
    with pytest.raises(LightloopError, match=r"model#production#1 and model#production#2 carry the same second"):
        production(running)


def test_a_stage_on_a_commit_without_a_version_is_refused(running: Project) -> None:
    git(running.root, "tag", "--delete", "model@v0.1.0")
    with pytest.raises(LightloopError, match=r"production stands on commit \S{7}, which no tag model@v\.\.\. names"):
        production(running)


def test_a_clock_that_is_behind_is_refused(running: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2050-01-01T00:00:00Z")
    git(running.root, "tag", "-a", "-m", "x", "model#staging#2", "HEAD")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    add_version(running, "v0.2.0", champion={"version": "v0.1.0"})
    with pytest.raises(UsageError, match=r"ahead of this machine's clock, .*: set the clock"):
        promote(running, stage="production")


def test_deregistered_versions_are_gone_and_their_numbers_are_not_used_again(running: Project) -> None:
    from gto import api

    add_version(running, "v0.5.0", champion={"version": "v0.1.0"})
    api.deregister(running.root, "model", version="v0.5.0", message="never mind")
    assert [release.version for release in releases(running)] == ["v0.1.0"]
    replace_bundle(running)
    with pytest.raises(UsageError, match=r"v0\.5\.0 exists already"):
        register(running, commit=True, version="v0.5.0")


def test_an_empty_registry_prints_how_to_fill_it(world: Project, capsys: pytest.CaptureFixture[str]) -> None:
    print_releases(world)
    assert capsys.readouterr().out == "no version is registered yet: `lightloop register` makes the first\n"


def test_releases_are_printed_with_stage_verdict_metrics_and_author(
    running: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    add_version(running, "v0.2.0", accepted=False)
    print_releases(running)
    heads, newest, oldest = capsys.readouterr().out.splitlines()
    assert heads.split() == ["version", "stages", "gate", "accuracy", "registered", "by", "commit"]
    assert newest.split()[:4] == ["v0.2.0", "-", "refused", "0.9010"]
    assert oldest.split()[:4] == ["v0.1.0", "production", "accepted", "0.9010"]
    assert oldest.split()[-2:] == ["Test", releases(running)[1].commit[:7]]


def test_a_compressed_release_shows_what_the_released_bundle_reached(
    running: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = {"accuracy": {"value": 0.8765, "low": 0.86, "high": 0.89}}
    write_json(running.gate, verdict("small digest") | {"metrics": reached})
    git(running.root, "commit", "-qam", "compressed")
    from gto import api

    api.register(running.root, "model", "HEAD", version="v0.2.0")
    print_releases(running)
    _, newest, oldest = capsys.readouterr().out.splitlines()
    assert newest.split()[3] == "0.8765"
    assert oldest.split()[3] == "0.9010"
    assert releases(running)[0].metrics == reached
