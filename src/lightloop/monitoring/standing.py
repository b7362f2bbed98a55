"""What a log is held against: the bundle that stands in production, with its profile."""

from dataclasses import dataclass
from pathlib import Path

from lightloop.config.compose import validate_config
from lightloop.errors import LightloopError, UsageError
from lightloop.files import replacing
from lightloop.monitoring.suite import Expected
from lightloop.project import Project
from lightloop.quality.suite import load_suite
from lightloop.release.fetched import fetch_bundle
from lightloop.release.history import PRODUCTION, Release, production
from lightloop.serving.manifest import PROFILE, Manifest, verify_bundle
from lightloop.serving.predictor import Predictor
from lightloop.serving.profile import HeldOut, Profile, no_profile, read_held_out, read_profile


@dataclass(frozen=True, eq=False)
class Standing:
    """The reference of monitoring.

    Attributes:
        predictor: of the bundle.
        profile: of its training records.
        held: its held-out answers.
        release: that it is; None of a bundle by path.
        expected: what its data had to be like; None where the suite or the data spec can't be read.
        lacks: a sentence about what an older bundle has not.
    """

    predictor: Predictor
    profile: Profile
    held: HeldOut
    release: Release | None
    expected: Expected | None = None
    lacks: str | None = None

    @property
    def version(self) -> str | None:
        return self.release.version if self.release else None


def read_standing(project: Project, bundle: Path | None = None) -> Standing:
    """The release in production, fetched at its tag, or a bundle by path.

    Args:
        project: with the registry.
        bundle: a folder to take instead.

    Raises:
        UsageError: nothing stands in production, or there is no folder.
        LightloopError: the bundle can't be fetched, or is damaged.
    """
    release = None
    if bundle is None:
        release = production(project)
        if release is None:
            raise UsageError(
                f"nothing stands in {PRODUCTION}, so there is nothing to compare the log with: `lightloop register` "
                "and `lightloop promote` put a version there, or name a bundle with --bundle"
            )
        bundle = _fetched(project, release)
    elif not bundle.is_dir():
        raise UsageError(f"{bundle} is no folder: give that of a bundle, such as artifacts/bundle")
    predictor = Predictor.load(bundle)
    if not (bundle / PROFILE).exists():
        # What needs no profile is still looked at.
        return Standing(predictor, Profile(n=0), HeldOut(), release, lacks=no_profile(predictor.manifest))
    profile = read_profile(bundle, predictor.manifest)
    expected = _expected(project, predictor.manifest, profile.n)
    return Standing(predictor, profile, read_held_out(bundle), release, expected)


def _expected(project: Project, manifest: Manifest, n: int) -> Expected | None:
    try:
        spec = validate_config(manifest.config).data
        return Expected(spec, load_suite(project.expectations / f"{spec.expectations}.json"), n)
    except UsageError:
        return None


def _fetched(project: Project, release: Release) -> Path:
    """The bundle on this machine; what was fetched before is verified, and fetched anew where it is damaged."""
    target = project.scratch / "monitoring" / "bundles" / release.version
    try:
        if target.exists() and verify_bundle(target) == release.digest:
            return target
    except LightloopError:
        pass
    with replacing(target) as temporary:
        fetch_bundle(project, release, temporary)
    return target
