"""W&B's side of the registry: the version of each release is linked, with the release and its stages as aliases.

The facts are git tags; W&B only shows them, so that everything here can be done again at any time. Run as a program by
`link_releases`.
"""

from collections.abc import Sequence
from typing import Any

from lightloop.config.schema import Config, WandbTracking
from lightloop.tracking.artifacts import artifact_name, digest_alias
from lightloop.tracking.child import answering, ask

LINK_TIMEOUT = 60.0


def release_entry(name: str, version: str, digest: str, stages: Sequence[str]) -> dict[str, Any]:
    """What W&B is to be told about a release: `name` is that of its config, `digest` of its bundle."""
    collection = artifact_name(name, "model")
    return {"collection": collection, "version": version, "find": digest_alias(digest), "stages": list(stages)}


def link_releases(config: Config, entries: Sequence[dict[str, Any]], stages: Sequence[str]) -> dict[str, list[str]]:
    """Give W&B's versions of the bundles their aliases, in the project and in the registry.

    Args:
        config: says the project, the entity and the registry.
        entries: of `release_entry`.
        stages: all that there are; an alias of one that a version does not hold any more is taken from it.

    Returns:
        Versions by what became of them: `linked`, `aliased` (in the project alone: no registry is set) and `absent`
        (W&B does not have the bundle); and `failures`, sentences about the registry.

    Raises:
        LightloopError: W&B said no, or did not answer within `LINK_TIMEOUT` seconds.
    """
    assert isinstance(config.tracking, WandbTracking)
    tracking = config.tracking
    question: dict[str, Any] = {"entries": list(entries), "stages": list(stages)}
    question |= {"entity": tracking.entity, "project": tracking.project, "registry": tracking.registry}
    return ask("lightloop.tracking.registry", question, LINK_TIMEOUT)


def _link(question: dict[str, Any]) -> dict[str, Any]:
    import wandb

    api = wandb.Api(timeout=20)
    entity = question["entity"] or api.default_entity
    done: dict[str, list[str]] = {"linked": [], "aliased": [], "absent": [], "failures": []}
    for entry in question["entries"]:
        name = f"{entity}/{question['project']}/{entry['collection']}:{entry['find']}"
        try:
            artifact = api.artifact(name)
        except wandb.errors.CommError as error:
            if "not found" not in str(error):
                raise
            done["absent"].append(entry["version"])
            continue
        wanted = {entry["version"], *entry["stages"]}
        gone = set(question["stages"]) - wanted
        aliases = sorted((set(artifact.aliases) | wanted) - gone)
        if set(aliases) != set(artifact.aliases):
            artifact.aliases = aliases
            artifact.save()
        if not question["registry"]:
            done["aliased"].append(entry["version"])
            continue
        try:
            target = f"wandb-registry-{question['registry']}/{entry['collection']}"
            artifact.link(target, aliases=sorted(wanted))
            done["linked"].append(entry["version"])
        # An account without an organization has no registry: the aliases in the project stand.
        except (wandb.Error, ValueError) as error:
            done["aliased"].append(entry["version"])
            done["failures"].append(" ".join(str(error).split()))
    return done


if __name__ == "__main__":
    answering(_link)
