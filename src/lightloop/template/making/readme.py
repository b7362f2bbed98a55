"""The README of a new project: what it is, how it runs, where things go. Short, and true on the first day."""

from itertools import takewhile
from pathlib import Path

import yaml

from lightloop.template.making.answers import EMBEDDED, Answers

_LICENCES = {"proprietary": "all rights reserved"}


def write_readme(root: Path, answers: Answers, version: str) -> None:
    """Write `README.md`.

    Args:
        root: of the tree, under its new name already.
        answers: of the person whose project it is.
        version: of the template that it is made from.
    """
    name = answers.spelled
    about = answers.description or "A model and the loop that makes, judges, releases and watches it."
    parts = [
        f"# {answers.name}\n\n{about}\n",
        _commands(root, answers),
        _experiments(root, name.command),
        _places(root, name.package),
        _settings(root, answers),
        f"## Licence\n\n{_LICENCES.get(answers.licence, answers.licence)}: see [LICENSE](LICENSE).",
        f"Made from the template Lightloop {version}, whose notice is "
        f"{'part of that file' if answers.licence == 'MIT' else 'in [LICENSE-template](LICENSE-template)'}.\n",
    ]
    (root / "README.md").write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _commands(root: Path, answers: Answers) -> str:
    command = answers.spelled.command
    lines = [
        ("make run", "sets everything up, pulls the data, runs the loop, prints the verdict"),
        ("make test", "the tests"),
        ("make help", "what else there is"),
        (f"{command} --help", "the command line, after `. .venv/bin/activate`"),
    ]
    if (root / "src" / answers.spelled.package / "template" / "update.py").exists():
        lines.append((f"{command} update", "a newer version of the template, merged"))
    listed = "\n".join(f"- `{line}`: {does}" for line, does in lines)
    handbook = " How the loop works stands in [HANDBOOK.md](HANDBOOK.md)." if (root / "HANDBOOK.md").exists() else ""
    return f"## Run it\n\nYou need git, make and Python 3.11, 3.12 or 3.13.{handbook}\n\n{listed}\n"


def _experiments(root: Path, command: str) -> str:
    """A row an experiment, as its own file says what it is."""
    rows = []
    for path in sorted((root / "configs/experiment").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        remark = " ".join(line[2:] for line in takewhile(lambda line: line.startswith("# "), text.splitlines()[1:]))
        rows.append(f"| `{path.stem}` | {remark.partition('. ')[0].rstrip('.')} |")
    if not rows:
        return ""
    default = _default(root)
    said = f" `{default}` is the default." if default else ""
    table = "\n".join(["| experiment | what it is |", "|---|---|", *rows])
    return f"## Experiments\n\n`{command} run experiment=NAME` runs one.{said}\n\n{table}\n"


def _default(root: Path) -> str | None:
    config = root / "configs/config.yaml"
    if not config.exists():
        return None
    defaults = yaml.safe_load(config.read_text(encoding="utf-8")).get("defaults", [])
    return next((entry["experiment"] for entry in defaults if isinstance(entry, dict) and "experiment" in entry), None)


def _places(root: Path, package: str) -> str:
    known = [
        ("configs/", "what a person edits: data, networks, experiments, the gate"),
        ("data/", "the data, under DVC (`data.dvc`)"),
        ("dvc.yaml", "the stages of the loop"),
        (f"src/{package}/", "the code"),
        ("tests/", "its tests, in the same folders"),
        (".github/workflows/", "the loop on GitHub"),
        ("deploy/", "the image of the service"),
        ("docs/", "what each part does, and why it is so"),
    ]
    there = [(name, what) for name, what in known if name == "data/" or (root / name).exists()]
    return "## Where things are\n\n" + "\n".join(f"- `{name}`: {what}" for name, what in there) + "\n"


def _settings(root: Path, answers: Answers) -> str:
    command = answers.spelled.command
    lines = []
    if answers.remote == EMBEDDED:
        lines.append("Data and bundles lie in `storage/`, in git, until they outgrow it.")
    else:
        lines.append(f"Data and bundles lie in `{answers.remote}`.")
    if (root / "configs/tracking/wandb.yaml").exists() and answers.tracking == "wandb":
        lines.append("Runs are recorded by Weights & Biases, offline until `WANDB_API_KEY` is set.")
    if answers.target != "local" and (root / "deploy").exists():
        lines.append(f"Releases are deployed to {answers.target}: `{command} deploy --target {answers.target}`.")
    return "## Settings\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"
