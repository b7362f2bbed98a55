"""Mistakes that people make in workflow files, one at a time: the linters or the rehearsal must find each of them.

`make check` runs the linters; what they do not see, the story must stumble over.
"""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal import scenarios
from rehearsal.runner import PROGRAMS
from rehearsal.world import TEMPLATE, UnexpectedError, World, world

Story = Callable[[World], None]
GITHUB = ".github"


@dataclass(frozen=True)
class Mutation:
    """A mistake.

    Attributes:
        name: what was done wrong.
        file: below `.github/workflows`.
        job: in which it is looked for; None for the whole file.
        old: an expression that is found there.
        new: what stands there instead.
        story: that must fail with it, where no linter sees it.
    """

    name: str
    file: str
    job: str | None
    old: str
    new: str
    story: Story = scenarios.short

    def put_into(self, text: str) -> str:
        """The file with the mistake in it.

        Raises:
            ValueError: the file is not what this mutation was made for.
        """
        if self.job is None:
            start, end = 0, len(text)
        else:
            found = re.search(rf"^  {re.escape(self.job)}:\n(?:(?:    .*)?\n)*", text, re.MULTILINE)
            if found is None:
                raise ValueError(f"{self.file} has no job {self.job}")
            start, end = found.span()
        changed, count = re.subn(self.old, self.new, text[start:end], count=1, flags=re.MULTILINE)
        if not count:
            raise ValueError(f"{self.file}, {self.job}: there is no {self.old!r}: say it as the file does now")
        return text[:start] + changed + text[end:]


DEPTH = r"^ +fetch-depth: 0.*\n"


def right(name: str) -> str:
    return rf"^ +{name}: write.*\n"


MUTATIONS = [
    Mutation("training without the history", "retrain.yml", "train", DEPTH, ""),
    Mutation("promotion without the history", "promote.yml", "promote", DEPTH, ""),
    Mutation("the tag is resolved without the history", "deploy.yml", "resolve", DEPTH, ""),
    Mutation("deployment without the history", "deploy.yml", "deploy", DEPTH, ""),
    Mutation(
        "the gate is not required",
        "promote.yml",
        "promote",
        r"run: lightloop ci promote$",
        "run: |\n          git config user.name bot && git config user.email bot@example.invalid\n"
        "          lightloop ci promote || { git checkout -q .; lightloop register --promote production --force\n"
        '          git -c "http.extraheader=AUTHORIZATION: basic $(printf x:%s "$GH_TOKEN" | base64 -w0)" push \\\\\n'
        '            "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" --tags; }',
        scenarios.refused,
    ),
    Mutation(
        "a refusal is swallowed",
        "promote.yml",
        "promote",
        r"^( +)(run: lightloop ci promote)$",
        r"\1continue-on-error: true\n\1\2",
        scenarios.refused,
    ),
    Mutation("a condition that never holds", "retrain.yml", "propose", r"changed == 'true'", "changed == 'yes'"),
    Mutation("an output that is named otherwise", "retrain.yml", "train", r"outputs\.changed \}", "outputs.change }"),
    Mutation("a step that is named otherwise", "retrain.yml", "train", r"steps\.train\.", "steps.trian."),
    Mutation("may not push the branch", "retrain.yml", "propose", right("contents"), "      contents: read\n"),
    Mutation("may not open the pull request", "retrain.yml", "propose", right("pull-requests"), ""),
    Mutation("may not start CI", "retrain.yml", "propose", right("actions"), ""),
    Mutation("may not push the tags", "promote.yml", "promote", right("contents"), "      contents: read\n"),
    Mutation("may not start the deployment", "promote.yml", "promote", right("actions"), ""),
    Mutation("the caller has less than the called file", "retrain.yml", "promote", right("actions"), ""),
    Mutation(
        "the job that trains may write",
        "retrain.yml",
        "train",
        r"contents: read .*$",
        "contents: write # checkout",
    ),
    Mutation("may do everything", "retrain.yml", None, r"^permissions: \{\}$", "permissions: write-all"),
    Mutation(
        "the deployment is left to the tag",
        "promote.yml",
        "promote",
        r"^ +- name: Start the deployment\n(?: {8}.*\n)+",
        "",
    ),
    Mutation("an input that does not exist", "promote.yml", "promote", r'"tag=\$TAG"', '"version=$TAG"'),
    Mutation(
        "no token for the step",
        "retrain.yml",
        "propose",
        r"^ +env:\n +GH_TOKEN:.*\n( +run: lightloop ci propose)",
        r"\1",
    ),
    Mutation("another folder is handed on", "retrain.yml", "train", r"path: ci$", "path: build"),
    Mutation("new data start nothing", "retrain.yml", None, r"\[data\.dvc,", "[data/**.dvc,", scenarios.refused),
    Mutation("the loop feeds itself", "retrain.yml", None, r"paths: \[data\.dvc,", "paths: [dvc.lock, data.dvc,"),
    Mutation("an action without a pin", "deploy.yml", "deploy", r"checkout@[0-9a-f]{40}.*", "checkout@v7"),
    Mutation("the token stays in the clone", "retrain.yml", "train", r"persist-credentials", "submodules"),
    Mutation(
        "a text of the event in a script",
        "retrain.yml",
        "train",
        r'--reason "\$REASON"',
        '--reason "${{ github.event.client_payload.reason }}"',
    ),
    Mutation("a runner that does not exist", "promote.yml", "promote", r"ubuntu-24\.04", "ubuntu-24.4"),
    Mutation("the wrong tag is resolved", "deploy.yml", "resolve", r"inputs\.tag \|\| ", ""),
    Mutation(
        "nobody says what is in the image",
        "deploy.yml",
        "image",
        r"^ +- name: Attest what is in it\n(?: {8}.*\n)+",
        "",
        scenarios.image,
    ),
    Mutation("the image is deployed unverified", "deploy.yml", "verify", r"run: lightloop ci verify.*", 'run: "true"',
             scenarios.image),
    Mutation("may not read attestations", "deploy.yml", "verify", r"^ +attestations: read.*\n", "", scenarios.image),
    Mutation("nothing follows from a rollback", "monitor.yml", "rollback", r"act == 'rollback'", "act == 'roll-back'",
             scenarios.rolled_back),
    Mutation(
        "the stage is not given back",
        "deploy.yml",
        "give-back",
        r"failure\(\) && ",
        "",
        scenarios.given_back,
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Caught:
    """Who found a mistake, and what was said; by None where nobody did."""

    mutation: Mutation
    by: str | None
    said: str
    seconds: float


LINTERS = {
    "zizmor": ("zizmor", "--offline", "--quiet", "--no-progress", "--persona=auditor", GITHUB),
    "actionlint": ("actionlint", "-no-color"),
    "check-jsonschema": ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
}


def lint(folder: Path) -> tuple[str, str] | None:
    """Run the linters of `make check` on a project. Returns the first one that finds something, and its first words."""
    for name, words in LINTERS.items():
        files = sorted(map(str, folder.glob(f"{GITHUB}/workflows/*.yml"))) if name == "check-jsonschema" else []
        done = subprocess.run(
            [PROGRAMS / words[0], *words[1:], *files], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()
            said = next((line for line in lines if re.search(r"error|warning|\[.+\]$", line)), "".join(lines[:1]))
            return name, said.replace(str(folder) + "/", "").strip()
    return None


def lintable(folder: Path) -> Path:
    """The workflows alone, in a repository, as the linters need it."""
    shutil.copytree(TEMPLATE / GITHUB, folder / GITHUB)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


class Bench:
    """Rehearses with mistakes, one world each. What was trained once is not trained again: DVC has it in its cache.

    Args:
        root: a new folder.
        cache: see `world`.
    """

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root = root
        self.cache = cache or root / "cache"

    def rehearse(self, story: Story, mutation: Mutation | None = None) -> str | None:
        """Run a story; what it stumbled over, or None."""
        with world(self.root / "world", scenarios.settings(), quiet=True, cache=self.cache) as made:
            made.mutate = mutation and (lambda folder: _put(mutation, folder))
            try:
                story(made)
            except UnexpectedError as error:
                return str(error)
        return None

    def lint(self, mutation: Mutation) -> tuple[str, str] | None:
        """Which linter sees a mistake, and what it says."""
        folder = lintable(self.root / "lint")
        try:
            _put(mutation, folder)
            return lint(folder)
        finally:
            shutil.rmtree(folder)


def _put(mutation: Mutation, folder: Path) -> None:
    path = folder / GITHUB / "workflows" / mutation.file
    path.write_text(mutation.put_into(path.read_text()))


def chosen(wanted: Sequence[str] = ()) -> list[Mutation]:
    """The mutations whose name holds one of the words; all of them where there is no word.

    Raises:
        ValueError: a word is in no name.

    Examples:
        >>> [one.name for one in chosen(["feeds itself", "wrong tag"])]
        ['the loop feeds itself', 'the wrong tag is resolved']
    """
    if missing := [word for word in wanted if not any(word in one.name for one in MUTATIONS)]:
        raise ValueError(f"no mutation's name holds {missing[0]!r}")
    return [one for one in MUTATIONS if not wanted or any(word in one.name for word in wanted)]


def check_all(root: Path, wanted: Sequence[str] = (), cache: Path | None = None) -> Iterator[Caught]:
    """Check the mutations whose name holds one of the words: those that no linter sees are rehearsed.

    Raises:
        UnexpectedError: something is found where there is no mistake at all.
    """
    bench = Bench(root, cache)
    if found := lint(lintable(root / "sound")):
        raise UnexpectedError(f"the linters find something without any mistake: {found}")
    unseen = []
    for mutation in chosen(wanted):
        begun = time.monotonic()
        if found := bench.lint(mutation):
            yield Caught(mutation, *found, time.monotonic() - begun)
        else:
            unseen.append(mutation)
    for story in dict.fromkeys(one.story for one in unseen):
        if said := bench.rehearse(story):
            raise UnexpectedError(f"the story {story.__name__} fails without any mistake: {said}")
    for mutation in unseen:
        begun = time.monotonic()
        said = bench.rehearse(mutation.story, mutation)
        yield Caught(mutation, "rehearsal" if said else None, said or "", time.monotonic() - begun)


def table(found: list[Caught]) -> str:
    """For people.

    Examples:
        >>> print(table([Caught(MUTATIONS[0], "actionlint", "no such step", 0.2)]))
        | mistake | file | found by | seconds | what is said |
        |---|---|---|---|---|
        | training without the history | retrain.yml | actionlint | 0 | no such step |
    """
    rows = ["| mistake | file | found by | seconds | what is said |", "|---|---|---|---|---|"]
    for one in found:
        said = " ".join(one.said.split()).replace("|", "/")
        by = one.by or "**nobody**"
        rows.append(f"| {one.mutation.name} | {one.mutation.file} | {by} | {one.seconds:.0f} | {said[:160]} |")
    return "\n".join(rows)


def main(root: Path, wanted: Sequence[str] = (), cache: Path | None = None) -> int:
    """Print the table. Returns the exit code."""
    root.mkdir(parents=True)
    found = []
    for one in check_all(root, wanted, cache):
        print(f"{one.mutation.name}: {one.by or 'NOBODY'} ({one.seconds:.0f} s)", file=sys.stderr, flush=True)
        found.append(one)
    print(table(found))
    caught = [one for one in found if one.by]
    by_linters = sum(one.by != "rehearsal" for one in caught)
    print(
        f"\n{len(caught)} of {len(found)} found: {by_linters} by the linters, {len(caught) - by_linters} by rehearsal"
    )
    return 0 if len(caught) == len(found) else 1
