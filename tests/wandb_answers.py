"""What the stand-in for W&B's server answers to each GraphQL operation."""

# Methods are named as the operations are.
# ruff: noqa: N802

import base64
import json
from typing import Any

from wandb_known import Artifact, Run, State

ENTITY, ORGANIZATION = "acme", "acme-org"
# Features of the server that change what the client asks.
FEATURES = ("ARTIFACT_TAGS", "CLIENT_IDS", "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE", "FILESTREAM_GZIP")


class Answers:
    """Answers to GraphQL operations: the method of an operation's name takes its variables and gives its data."""

    def __init__(self, state: State, base: str) -> None:
        self.state, self.base = state, base

    def __call__(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = getattr(self, operation, None)
        if answer is None:
            self.state.unknown.append(operation)
            return {"data": None, "errors": [{"message": f"the stand-in does not know {operation}"}]}
        return {"data": answer(variables)}

    # About the server and who asks.

    def ServerFeaturesQuery(self, _: Any) -> Any:
        return {"serverInfo": {"features": [{"name": name, "isEnabled": True} for name in FEATURES]}}

    def Viewer(self, _: Any) -> Any:
        viewer = {"id": _id("User", "1"), "entity": ENTITY, "username": ENTITY, "name": ENTITY, "admin": False}
        more = {"email": "a@example.invalid", "flags": "{}", "deletedAt": None, "apiKeys": {"edges": []}}
        return {"viewer": viewer | more | {"teams": {"edges": []}}}

    def GetDefaultEntity(self, _: Any) -> Any:
        return {"viewer": {"id": _id("User", "1"), "entity": ENTITY}}

    def OrganizationCoreWeaveOrganizationID(self, _: Any) -> Any:
        return {"entity": {"organization": None}}

    def FetchOrgInfoFromEntity(self, _: Any) -> Any:
        if not self.state.organization:
            return {"entity": {"__typename": "Entity", "organization": None, "user": {"organizations": []}}}
        organization = {"name": "Acme", "orgEntity": {"name": ORGANIZATION}}
        return {"entity": {"__typename": "Entity", "organization": organization, "user": None}}

    # Projects.

    def GetProjects(self, _: Any) -> Any:
        edges = [{"node": _public_project(name), "cursor": name} for name in sorted(self.state.projects)]
        return {"models": {"pageInfo": _no_more(), "edges": edges}}

    def CreateProject(self, v: dict[str, Any]) -> Any:
        self.state.projects.add(v["input"]["name"])
        return {"result": {"model": _public_project(v["input"]["name"]), "inserted": True}}

    def ProjectInternalId(self, v: dict[str, Any]) -> Any:
        name = v["projectName"]
        known = name in self.state.projects
        return {"project": {"id": _id("Project", name), "internalId": _id("Internal", name)} if known else None}

    # Runs.

    def UpsertBucket(self, v: dict[str, Any]) -> Any:
        run = self.state.runs.setdefault(v["name"], Run())
        inserted = not run.about
        run.about |= {key: value for key, value in v.items() if value is not None}
        self.state.projects.add(run.about["project"])
        bucket = self._bucket(v["name"]) | {"project": _project(run.about["project"])}
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def _bucket(self, name: str) -> dict[str, Any]:
        run = self.state.runs[name]
        return {
            "id": _id("Run:v1", name),
            "name": name,
            "displayName": run.about.get("displayName") or name,
            "description": "",
            "config": run.about.get("config") or "{}",
            "sweepName": None,
            "historyLineCount": len(run.history),
        }

    def RunResumeStatus(self, v: dict[str, Any]) -> Any:
        run = self.state.runs.get(v["name"])
        bucket = None
        if run and run.about:
            bucket = self._bucket(v["name"]) | {
                "logLineCount": 0,
                "eventsLineCount": 0,
                "historyTail": json.dumps([json.dumps(row) for row in run.rows[-1:]]),
                "eventsTail": "[]",
                "summaryMetrics": json.dumps(run.summary),
                "wandbConfig": json.dumps({"t": 1}),
                "tags": [],
            }
        return {"model": _project(v["project"]) | {"bucket": bucket}}

    def RunStoppedStatus(self, _: Any) -> Any:
        return {"project": {"run": {"stopped": False}}}

    def CreateRunFiles(self, v: dict[str, Any]) -> Any:
        files = [{"name": name, "uploadUrl": f"{self.base}/run/{v['run']}/{name}"} for name in v["files"]]
        return {"createRunFiles": {"runID": _id("Run:v1", v["run"]), "uploadHeaders": [], "files": files}}

    def NotifyScriptableRunAlert(self, v: dict[str, Any]) -> Any:
        self.state.runs[v["runName"]].alerts.append(v)
        return {"notifyScriptableRunAlert": {"success": True}}

    # Artifacts.

    def ArtifactType(self, _: Any) -> Any:
        return {"project": {"artifact": None, "artifactType": None}}

    def CreateArtifact(self, v: dict[str, Any]) -> Any:
        told = v["input"]
        collection = told["artifactCollectionName"]
        same = [artifact for artifact in self.state.artifacts.values() if artifact.collection == collection]
        found = next((artifact for artifact in same if artifact.digest == told["digest"]), None)
        if found is None:
            identity = f"QXJ0aWZhY3Q6{len(self.state.artifacts) + 1}"
            found = Artifact(
                identity,
                collection,
                told["artifactTypeName"],
                told["digest"],
                json.loads(told.get("metadata") or "{}"),
                told.get("clientID") or "",
                told.get("sequenceClientID") or "",
                len(same),
                set(),
            )
            self.state.artifacts[identity] = found
        if told.get("runName"):
            found.logged_by.add(told["runName"])
        for alias in told.get("aliases") or []:
            self._give(found, alias["alias"])
        if found.committed:
            found.client_id = told.get("clientID") or found.client_id
        return {
            "createArtifact": {
                "artifact": {
                    "id": found.id,
                    "state": "COMMITTED" if found.committed else "PENDING",
                    "artifactSequence": {"id": _id("Sequence", collection), "latestArtifact": None},
                }
            }
        }

    def _give(self, artifact: Artifact, alias: str) -> None:
        """An alias stands on one version of a collection."""
        for other in self.state.artifacts.values():
            if other.collection == artifact.collection:
                other.aliases.discard(alias)
        artifact.aliases.add(alias)

    def CreateArtifactManifest(self, v: dict[str, Any]) -> Any:
        identity = v["artifactID"]
        file = {"id": "F1", "uploadUrl": f"{self.base}/manifest/{identity}", "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": f"manifest-{identity}", "file": file}}}

    def UpdateArtifactManifest(self, v: dict[str, Any]) -> Any:
        answer = self.CreateArtifactManifest({"artifactID": v["artifactManifestID"].removeprefix("manifest-")})
        return {"updateArtifactManifest": answer["createArtifactManifest"]}

    def CreateArtifactFiles(self, v: dict[str, Any]) -> Any:
        edges = []
        for file in v.get("artifactFiles") or v["input"]["artifactFiles"]:
            place = f"{file['artifactID']}/{file['name']}"
            node = {"storagePath": place, "uploadUrl": f"{self.base}/artifact/{place}", "uploadHeaders": []}
            edges.append({"node": node | {"uploadMultipartUrls": None, "artifact": {"id": file["artifactID"]}}})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def CommitArtifact(self, v: dict[str, Any]) -> Any:
        artifact = self.state.artifacts[v["artifactID"]]
        artifact.committed = True
        self._give(artifact, "latest")
        return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.digest}}}

    def UseArtifact(self, v: dict[str, Any]) -> Any:
        told = v.get("input") or v
        artifact = self.state.artifacts[told["artifactID"]]
        artifact.used_by.add(told["runName"])
        return {"useArtifact": {"artifact": {"id": artifact.id}}}

    def ClientIDMapping(self, v: dict[str, Any]) -> Any:
        client = v["clientID"]
        artifacts = self.state.artifacts.values()
        found = next((one.id for one in artifacts if client in (one.client_id, one.sequence_client_id)), None)
        return {"clientIDMapping": {"serverID": found} if found else None}

    def ArtifactMembershipByName(self, v: dict[str, Any]) -> Any:
        collection, _, version = v["name"].partition(":")
        for artifact in self.state.artifacts.values():
            named = version in artifact.aliases or version == f"v{artifact.index}"
            if artifact.collection == collection and artifact.committed and named:
                return {"project": {"artifactCollectionMembership": self._member(artifact, collection, v["project"])}}
        return {"project": {"artifactCollectionMembership": None}}

    def AddAliases(self, v: dict[str, Any]) -> Any:
        for alias in v["input"]["aliases"]:
            self._give(self.state.artifacts[v["input"]["artifactID"]], alias["alias"])
        return {"result": {"success": True}}

    def DeleteAliases(self, v: dict[str, Any]) -> Any:
        for alias in v["input"]["aliases"]:
            self.state.artifacts[v["input"]["artifactID"]].aliases.discard(alias["alias"])
        return {"result": {"success": True}}

    def UpdateArtifact(self, v: dict[str, Any]) -> Any:
        artifact = self.state.artifacts[v["input"]["artifactID"]]
        return {"result": {"artifact": self._artifact(artifact, "any")}}

    def LinkArtifact(self, v: dict[str, Any]) -> Any:
        told = v["input"]
        name = f"{told['entityName']}/{told['projectName']}/{told['artifactPortfolioName']}"
        link = self.state.links.setdefault(name, {})
        artifact = self.state.artifacts[told["artifactID"]]
        link |= {alias["alias"]: artifact.id for alias in told.get("aliases") or []} | {"latest": artifact.id}
        member = self._member(artifact, told["artifactPortfolioName"], told["projectName"], told["entityName"])
        return {"result": {"versionIndex": artifact.index, "artifactMembership": member}}

    def _member(self, artifact: Artifact, collection: str, project: str, entity: str = ENTITY) -> dict[str, Any]:
        return {
            "__typename": "ArtifactCollectionMembership",
            "id": _id("Membership", artifact.id),
            "versionIndex": artifact.index,
            "createdAt": "2026-01-01T00:00:00Z",
            "aliases": [_alias(alias) for alias in sorted(artifact.aliases)],
            "artifactCollection": _collection(collection, project, entity),
            "artifact": self._artifact(artifact, project),
        }

    def _artifact(self, artifact: Artifact, project: str) -> dict[str, Any]:
        source = _collection(artifact.collection, project, ENTITY) | {"__typename": "ArtifactSequence"}
        return {
            "__typename": "Artifact",
            "id": artifact.id,
            "artifactSequence": source,
            "versionIndex": artifact.index,
            "artifactType": {"name": artifact.type},
            "description": None,
            "metadata": json.dumps(artifact.metadata),
            "ttlDurationSeconds": -2,
            "ttlIsInherited": True,
            "tags": [],
            "historyStep": None,
            "state": "COMMITTED" if artifact.committed else "PENDING",
            "size": sum(map(len, artifact.files.values())),
            "digest": artifact.digest,
            "digestAlgorithm": "MANIFEST_MD5",
            "commitHash": artifact.digest,
            "fileCount": len(artifact.files),
            "createdAt": "2026-01-01T00:00:00Z",
            "updatedAt": None,
            "aliases": [_alias(alias) | {"artifactCollection": source} for alias in sorted(artifact.aliases)],
        }

    # Workspaces and reports.

    def UpsertView2(self, v: dict[str, Any]) -> Any:
        return self._upsert(v)

    def upsertView(self, v: dict[str, Any]) -> Any:
        return self._upsert(v)

    def _upsert(self, v: dict[str, Any]) -> Any:
        identity = v.get("id") or _id("View", str(len(self.state.views) + 1))
        inserted = identity not in self.state.views
        self.state.views[identity] = {**v, "id": identity}
        view = {"id": identity, "type": v["type"], "name": v["name"], "displayName": v["displayName"]}
        view |= {"description": v["description"], "project": _project(v["projectName"]), "spec": v["spec"]}
        return {"upsertView": {"view": view | {"updatedAt": None}, "inserted": inserted}}

    def ProjectViews(self, v: dict[str, Any]) -> Any:
        if v["project"] not in self.state.projects:
            return {"project": None}
        author = {"username": ENTITY, "photoUrl": "", "email": ""}
        times = {"updatedAt": "2026-01-01T00:00:00Z", "createdAt": "2026-01-01T00:00:00Z"}
        found = [
            {"node": {key: view[key] for key in ("id", "name", "displayName", "description", "spec")}}
            for view in self.state.views.values()
            if view["type"] == v.get("viewType", "runs") and view["projectName"] == v["project"]
        ]
        edges = [{"node": edge["node"] | times | {"user": author}, "cursor": "1"} for edge in found]
        return {"project": {"allViews": {"edges": edges, "pageInfo": _no_more()}}}

    def View(self, v: dict[str, Any]) -> Any:
        if v["name"] not in self.state.projects:
            return {"project": None}
        found = [
            {"node": {key: view[key] for key in ("id", "displayName", "spec")}}
            for view in self.state.views.values()
            if view["type"] == v["viewType"] and view["projectName"] == v["name"] and view["name"] == v["viewName"]
        ]
        return {"project": {"allViews": {"edges": found}}}


def _id(kind: str, name: str) -> str:
    return base64.b64encode(f"{kind}:{name}".encode()).decode()


def _alias(alias: str) -> dict[str, Any]:
    return {"__typename": "ArtifactAlias", "id": _id("Alias", alias), "alias": alias}


def _project(name: str) -> dict[str, Any]:
    return {"id": _id("Project", name), "name": name, "entityName": ENTITY, "entity": {"id": "E1", "name": ENTITY}}


def _public_project(name: str) -> dict[str, Any]:
    author = {
        "__typename": "User",
        "id": _id("User", "1"),
        "name": ENTITY,
        "username": ENTITY,
        "email": "",
        "admin": False,
    }
    about = {"__typename": "Project", "createdAt": "2026-01-01T00:00:00Z", "isBenchmark": False}
    more = {"deletedAt": None, "flags": "{}", "entity": ENTITY, "photoUrl": None, "accountType": None}
    keys, none = {"apiKeys": {"edges": []}}, {"teams": {"edges": []}}
    return _project(name) | about | {"user": author | more | keys | none}


def _no_more() -> dict[str, Any]:
    return {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}


def _collection(name: str, project: str, entity: str) -> dict[str, Any]:
    place = {
        "__typename": "Project",
        "id": _id("Project", project),
        "internalId": _id("Internal", project),
        "name": project,
    }
    return {
        "__typename": "ArtifactPortfolio",
        "id": _id("Collection", name),
        "name": name,
        "project": place | {"entity": {"__typename": "Entity", "id": "E1", "name": entity}},
    }
