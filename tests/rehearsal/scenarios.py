"""What is rehearsed: stories, with what people would see in each of them."""

import random
import re
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from rehearsal.cloud import BUCKET, REGION, ROLE, bucket
from rehearsal.content import Issue, Pull
from rehearsal.forge import BOT, PERSON, Settings
from rehearsal.runner import Run
from rehearsal.traffic import Outcome, ask, asking
from rehearsal.workflows import BRANCHES
from rehearsal.world import COMPOSE, DATA, EXPERIMENT, World, begin

# They run the project's own tests and linters, which a rehearsal is part of.
LEFT_OUT = frozenset({"ci.yml", "nightly.yml", "security.yml"})
WRITTEN = 3.0  # seconds after which an answer is in the log: the service writes it every second


def settings(**variables: str) -> Settings:
    """Of a repository that was set up as docs/first-push.md says, on a machine of one's own."""
    return Settings(variables=variables, left_out=LEFT_OUT)


def short(world: World) -> None:
    """A project is pushed for the first time: it trains, proposes, and after a merge promotes, deploys and serves."""
    first_release(world)
    least(world)


def refused(world: World) -> None:
    """After a first release a bad model is refused, and deploys nothing, even where somebody merges it."""
    first_release(world)
    bad_model(world)


def given_back(world: World) -> None:
    """After a first release the next one can't start: the old one serves on, until a model on mended code comes."""
    first_release(world)
    another_model(world, epochs=28)
    bad_deployment(world)
    after_the_mend(world, "v0.3.0")


def drift(world: World) -> None:
    """After a first release the world changes: monitoring tells people, and a new model recovers."""
    first_release(world)
    quiet_traffic(world)
    before = drifted_traffic(world)
    recovered(world, before, "v0.2.0")
    least(world)


def rolled_back(world: World) -> None:
    """Where the rule says so, monitoring puts the version before back by itself."""
    begin(world)
    config = world.alice / "configs" / "monitor" / "default.yaml"
    changed, count = re.subn(r"(kinds: \[performance\], .*act: )retrain", r"\1rollback", config.read_text())
    assert count == 1, f"{config.name} says otherwise what follows from a worse performance"
    config.write_text(changed)
    world.do("python", "-c", COMPOSE)
    world.commit("Who answers worse goes back")
    world.push()
    first_model(world)
    merged_and_served(world, "v0.1.0")
    another_model(world, epochs=28)
    merged_and_served(world, "v0.2.0", retrain=True)
    went_back(world)
    least(world)


def image(world: World) -> None:
    """On a cluster: an image is built, attested, and deployed where it is verified."""
    world.forge.settings.variables["DEPLOY_TARGET"] = "kubernetes"
    begin(world)
    world.push()
    first_model(world)
    merge_open(world)
    runs = world.settle("the pull request is merged")
    promoted(world, runs, "v0.1.0")
    jobs = world.one(runs, "deploy.yml").jobs
    world.same((len(jobs), set(jobs.values())), (4, {"success"}), "jobs of deploy.yml: read, build, verify, deploy")
    (pushed,) = world.forge.images
    attested = {one["predicate"] for one in world.forge.attested if one["digest"] == pushed["digest"]}
    world.same(len(attested), 2, "what is attested of the image: where it comes from, and what is in it")
    running = yaml.safe_load((world.forge.runner.root / "cluster" / "deployment.yaml").read_text())
    (container,) = running["spec"]["template"]["spec"]["containers"]
    name = pushed["tag"].rpartition(":")[0]
    world.same(container["image"], f"{name}@{pushed['digest']}", "the cluster runs")
    asked = [one for one in world.forge.calls if one.what.startswith("GET /attestations/") and one.answer == 200]
    world.same({one.by.split("/")[1] for one in asked}, {"verify"}, "who verified it")
    world.same(len(asked), 2, "attestations that were verified")


def faults(world: World) -> None:
    """What may go wrong in one project: a bad model is refused, a bad deployment given back, and mended."""
    first_release(world)
    bad_model(world)
    another_model(world, epochs=28)
    bad_deployment(world)
    after_the_mend(world, "v0.3.0")
    least(world)


def cloud(world: World) -> None:
    """A project whose data, models, log and feedback are in S3: released, drifted, recovered."""
    with bucket() as made:
        world.forge.settings.cloud = made.keys
        variables = {"AWS_ROLE": ROLE, "AWS_REGION": REGION, "LIGHTLOOP_LOG": f"s3://{BUCKET}/log"}
        world.forge.settings.variables |= variables | {"LIGHTLOOP_FEEDBACK": f"s3://{BUCKET}/feedback"}
        begin(world)
        world.do("lightloop", "remote", "set", f"s3://{BUCKET}/dvc")
        world.do("git", "rm", "-rq", "--cached", "--ignore-unmatch", "storage")
        shutil.rmtree(world.alice / "storage", ignore_errors=True)
        world.commit("Data and models go to S3")
        world.push()
        first_model(world)
        merged_and_served(world, "v0.1.0")
        world.expect(not list(world.alice.glob("storage/*")), "nothing of them is in git")
        world.expect(made.names("dvc/"), "data and models are in S3")
        quiet_traffic(world)
        before = drifted_traffic(world)
        world.expect(made.names("log/predictions/day="), "the log is in S3, by day")
        recovered(world, before, "v0.2.0")
        least(world)


def first_release(world: World) -> None:
    begin(world)
    world.push()
    first_model(world)
    merged_and_served(world, "v0.1.0")


def first_model(world: World) -> None:
    """The first push trains, and opens a pull request with the figures."""
    runs = world.settle("a project is pushed for the first time")
    world.same(sorted(set(world.one(runs, "retrain.yml").jobs.values())), ["success"], "jobs of retrain.yml")
    world.same(world.tags(), [], "nobody has accepted anything, tags")
    world.same([pull.by for pull in world.forge.pulls], [BOT], "pull requests, by")
    (pull,) = world.forge.pulls
    world.expect(not pull.draft, "the pull request is no draft: the gate accepted the model")
    for word in ("Accuracy", "Log loss", "accepted"):
        world.expect(word in pull.body, f"its text tells about {word}")
    changed = world.forge.repository.changed("refs/heads/main", BRANCHES + pull.head)
    world.expect("dvc.lock" in changed, "it changes dvc.lock")
    world.expect(not [one for one in changed if one.startswith((".github", "src/", "configs/"))], "it changes no code")
    started = [call for call in world.forge.calls if "ci.yml/dispatches" in call.what and call.answer == 204]
    world.same(len(started), 1, "its branch has a run of ci.yml, started by the workflow")
    summary = "\n".join(world.one(runs, "retrain.yml").summaries)
    world.expect("Accuracy" in summary, "the page of the run has the figures")


def merged_and_served(world: World, version: str, *, retrain: bool = False) -> None:
    """Somebody merges the open pull request: what it holds is promoted, deployed, and answers.

    Args:
        version: that it becomes.
        retrain: whether it brings new data or another config, of which training is told too; there is nothing left to
            learn from them.
    """
    pull = merge_open(world)
    pulls = len(world.forge.pulls)
    runs = world.settle(f"pull request {pull.number} is merged")
    follow = {"promote.yml", "deploy.yml"} | ({"retrain.yml"} if retrain else set())
    world.same(sorted(run.workflow for run in runs), sorted(follow), "runs that follow")
    world.same(len(world.forge.pulls), pulls, "pull requests: no further one")
    promoted(world, runs, version)
    world.same(world.forge.repository.commit(f"model@{version}"), pull.merged, "it was registered at the merge")
    serves(world, version)


def promoted(world: World, runs: list[Run], version: str) -> None:
    deploy = world.one(runs, "deploy.yml")
    world.same((deploy.event.name, deploy.event.actor), ("workflow_dispatch", BOT), "deploy.yml was started by")
    world.same(world.standing(), f"model@{version}", "in production stands")
    world.same(world.forge.repository.git("cat-file", "-t", f"model@{version}"), "tag", "the kind of its tag")


def serves(world: World, version: str) -> None:
    """The service answers over HTTP, with this version."""
    about = world.served()
    world.same(about["version"], version, "the version that the service tells")
    answer = world.predict(about["input"]["examples"][0])
    world.same(answer["model_version"], version, "the version in an answer")
    world.expect(answer["label"] in ("approved", "rejected"), f"it answers: {answer['label']}")


def merge_open(world: World) -> Pull:
    """Press the button of the pull request that is open, if need be after making it ready."""
    pull = next(one for one in world.forge.pulls if one.state == "open")
    world.merge(pull)
    return pull


def bad_model(world: World) -> None:
    """Labels are mixed up: the gate refuses what learns from them. Somebody merges it all the same."""
    before, tags = world.standing(), world.tags()
    world.fetch()
    good = world.do("git", "rev-parse", "HEAD").strip()
    mix_labels(world.alice / "data" / DATA / "loans.parquet")
    world.do("dvc", "add", "-q", "data")
    world.do("dvc", "push", "-q", "data.dvc")
    world.commit("New data")
    world.push()
    runs = world.settle("data with wrong labels is pushed")
    world.same([run.workflow for run in runs], ["retrain.yml"], "runs that follow")
    pull = world.forge.pulls[-1]
    world.expect(pull.draft and pull.state == "open", "there is a draft")
    world.expect("refused" in pull.body and "**no**" in pull.body, "its text says that the gate refused it, and why")
    world.same(world.tags(), tags, "tags are what they were")
    pull = merge_open(world)
    runs = world.settle("somebody merges it all the same", fails=("promote.yml",))
    world.same([run.workflow for run in runs], ["promote.yml"], "runs that follow: nothing is deployed")
    summary = "\n".join(runs[0].summaries)
    world.expect("Not promoted" in summary, "the page of the run says that it was not promoted")
    world.same((world.standing(), world.tags()), (before, tags), "the registry is what it was")
    serves(world, str(before).removeprefix("model@"))
    back_out(world, good)


def back_out(world: World, good: str) -> None:
    """Go back to the data and the model of a commit."""
    world.fetch()
    world.do("git", "rm", "-rq", "--ignore-unmatch", "data.dvc", "dvc.lock", "artifacts")
    world.do("git", "checkout", "-q", good, "--", ".")
    world.do("dvc", "checkout", "-q", "--force", "data.dvc")
    world.commit("Back to the data before")
    world.push()
    pulls = len(world.forge.pulls)
    world.settle("the data before come back")
    world.same(len(world.forge.pulls), pulls, "no further pull request: the model before is the model again")


def mix_labels(path: Path) -> None:
    """Give the records each other's labels."""
    table = pq.read_table(path)
    labels = table.column("approve").to_pylist()
    random.Random(1).shuffle(labels)
    place = table.schema.get_field_index("approve")
    pq.write_table(
        table.set_column(place, table.schema.field(place), pa.array(labels, table.schema.field(place).type)), path
    )


def another_model(world: World, epochs: int) -> None:
    """A longer training: another model, as good. Another seed would divide the records in favour of the champion."""
    champion = str(world.standing()).removeprefix("model@")
    world.fetch()
    config = world.alice / "configs" / "experiment" / f"{EXPERIMENT}.yaml"
    changed, count = re.subn(r"max_epochs: \d+", f"max_epochs: {epochs}", config.read_text())
    assert count == 1, f"{config.name} names its epochs otherwise"
    config.write_text(changed)
    world.commit(f"Train {epochs} epochs")
    world.push()
    runs = world.settle("a change of the config is pushed")
    world.same([run.workflow for run in runs], ["retrain.yml"], "runs that follow")
    pull = world.forge.pulls[-1]
    world.expect(pull.state == "open" and not pull.draft, "there is a pull request")
    world.expect(champion in pull.body, "its text names the champion that it was compared with")


def bad_deployment(world: World) -> None:
    """A service that can't start is merged before the open pull request: the old one serves on.

    The service is mended. The version stays broken, since its tag names a commit with the code of then: promoted again
    by a person it is given back again.
    """
    before = str(world.standing())
    address = world.address()
    world.fetch()
    app = world.alice / "src" / "lightloop" / "service" / "app.py"
    sound = app.read_text()
    app.write_text(sound + '\nraise RuntimeError("broken on purpose")\n')
    world.commit("Break the service")
    world.push()
    merge_open(world)
    runs = world.settle("a model is merged after a service that can't start", fails=("deploy.yml",))
    gave_back(world, runs, before, address)
    new = next(tag for tag in reversed(world.tags()) if tag.startswith("model@"))
    world.fetch()
    app.write_text(sound)
    world.commit("Mend the service")
    world.push()
    world.same(world.settle("the service is mended"), [], "runs that follow")
    version = new.removeprefix("model@")
    world.do("lightloop", "promote", "--version", version)
    (tag,) = set(world.do("git", "tag", "--list").split()) - set(world.tags())
    world.push(f"refs/tags/{tag}")
    runs = world.settle(f"a person promotes {version} all the same, and pushes {tag}", fails=("deploy.yml",))
    world.same([(run.workflow, run.event.actor) for run in runs], [("deploy.yml", PERSON)], "runs that follow")
    gave_back(world, runs, before, address)


def gave_back(world: World, runs: list[Run], before: str, address: str) -> None:
    """The deployment failed; what stood in production stands there again, and never stopped to serve."""
    results = list(world.one(runs, "deploy.yml").jobs.values())
    world.same(results.count("failure"), 1, "jobs of deploy.yml that failed: the deployment")
    world.same(world.standing(), before, "the stage was given back to")
    world.same(world.address(), address, "the old service is where it was")
    serves(world, before.removeprefix("model@"))


def after_the_mend(world: World, version: str) -> None:
    """A model that was trained after the mend is another version, at a commit whose service starts."""
    another_model(world, epochs=31)
    merged_and_served(world, version, retrain=True)


def least(world: World) -> None:
    """No job that ran has a right that it did not need."""
    world.same(world.forge.unused_rights(), [], "rights to write that no job needed")


def quiet_traffic(world: World) -> None:
    """Applicants like those before: monitoring stays silent."""
    outcome = ask(world.address(), 1, 200, new=0)
    world.say(f"    200 applicants asked, and {outcome.accuracy:.0%} of the answers were right")
    runs = look(world, "monitoring looks at usual applicants")
    world.same([run.workflow for run in runs], ["monitor.yml"], "runs that follow: nothing else")
    world.same(issues(world), [], "issues")


def drifted_traffic(world: World) -> Outcome:
    """A new kind of loan: monitoring opens one issue and has the model trained on what came."""
    before = str(world.standing()).removeprefix("model@")
    outcome = ask(world.address(), 2, 800, new=0.7)
    world.say(f"    800 applicants asked, most for a new loan, and {outcome.accuracy:.0%} of the answers were right")
    world.same(outcome.versions, frozenset({before}), "versions that answered")
    pulls = len(world.forge.pulls)
    runs = look(world, "monitoring looks at applicants for the new loan")
    world.same([run.workflow for run in runs], ["monitor.yml", "retrain.yml"], "runs that follow")
    (issue,) = issues(world)
    world.same((issue.by, issue.state, issue.labels), (BOT, "open", ["monitoring"]), "the issue")
    for word in ("erformance", "term", before):
        world.expect(word in issue.title + issue.body, f"the issue tells about {word}")
    world.same((runs[1].event.name, runs[1].event.actor), ("workflow_dispatch", BOT), "retrain.yml was started by")
    world.same(len(world.forge.pulls), pulls + 1, "pull requests there are now")
    pull = world.forge.pulls[-1]
    world.expect(not pull.draft, "the gate accepted the new model")
    changed = world.forge.repository.changed("refs/heads/main", BRANCHES + pull.head)
    world.expect("data.dvc" in changed, "it was trained on new data")
    world.expect(before in pull.body, "its text compares with the champion")
    return outcome


def went_back(world: World) -> None:
    """Answers become wrong: the version before stands in production again, and answers."""
    tags = set(world.tags())
    outcome = ask(world.address(), 2, 400, new=0.7)
    world.say(f"    400 applicants asked, most for a new loan, and {outcome.accuracy:.0%} of the answers were right")
    runs = look(world, "monitoring looks at the answers of v0.2.0")
    world.same([run.workflow for run in runs], ["monitor.yml", "deploy.yml"], "runs that follow")
    world.same((runs[1].event.name, runs[1].event.actor), ("workflow_dispatch", BOT), "deploy.yml was started by")
    world.same(world.standing(), "model@v0.1.0", "in production stands")
    (tag,) = set(world.tags()) - tags
    world.same(tag, "model#production#3", "the only new tag")
    serves(world, "v0.1.0")
    (issue,) = issues(world)
    world.expect("the release before is to be put back" in issue.title, "the issue says what is done")


def recovered(world: World, before: Outcome, version: str) -> None:
    """The new model is merged, tried beside the old one while people ask, and answers applicants of today well."""
    with asking(world.address(), 100, new=0.7) as seen:
        merged_and_served(world, version, retrain=True)
    said = next(run.text for run in reversed(world.forge.runs) if run.workflow == "deploy.yml")
    tried = re.search(rf"{re.escape(version)} is tried beside (?s:.)*its trial went well: requests (\d+)", said)
    world.expect(tried and int(tried[1]), f"{version} answered some of the requests first")
    world.expect(seen, f"{sum(one.answers for one in seen)} applicants asked meanwhile, and each got an answer")
    outcome = ask(world.address(), 3, 300, new=0.7)
    world.say(f"    300 applicants asked, and {outcome.accuracy:.0%} of the answers were right")
    world.same(outcome.versions, frozenset({version}), "versions that answered")
    better = outcome.accuracy - before.accuracy
    world.expect(better > 0.1, f"answers are right more often than before: by {better:.0%}")


def look(world: World, title: str) -> list[Run]:
    """The time has come for monitor.yml."""
    time.sleep(WRITTEN)
    (cron,) = world.forge.crons("monitor.yml")
    world.forge.tick(cron)
    return world.settle(title)


def issues(world: World) -> list[Issue]:
    return [one for one in world.forge.issues.values() if not isinstance(one, Pull)]
