"""Adopting a data set as a user does, and its smoke fit: the network, the simpler model and the trivial answer."""

import atexit
import io
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from _adoption_known import Known
from rich.console import Console

from lightloop.adoption.adopt import Wish, adopt
from lightloop.adoption.smoke import smoke_fit
from lightloop.config.compose import compose_config
from lightloop.config.metrics import is_better
from lightloop.errors import LightloopError
from lightloop.project import Project

REPOSITORY = Path(__file__).resolve().parent.parent


def fit(one: Known, given: list[str], scratch: Path) -> dict[str, Any]:
    """Adopt with the true target and no other answer, fit, and say who beats whom on the validation split.

    Returns:
        `name`; `fault`, or else `metric`, the values of `network`, `simpler` and `trivial`, and `seconds`.
    """
    project = _clone()
    # The repository has data sets of its own with some of these names.
    name = f"adopted-{one.name}"
    target = [] if one.form == "folder" else [one.target]
    started = time.perf_counter()
    try:
        wish = Wish(given, target=target[0] if target else None, name=name, yes=True, force=True, fit=False)
        adopt(project, wish, Console(file=io.StringIO(), width=200), terminal=False)
        config = compose_config(project, [f"experiment={name}", "tracking=none"])
        found = smoke_fit(config, project, scratch / "fit")
    except LightloopError as error:
        return {"name": one.name, "held_out": one.held_out, "fault": str(error)}
    metric = found.metrics[0]
    row = {
        "name": one.name,
        "held_out": one.held_out,
        "metric": metric,
        "network": found.network[metric],
        "simpler": found.simpler.get(metric),
        "trivial": found.trivial.get(metric),
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(row, flush=True)
    return row


def tell(rows: list[dict[str, Any]]) -> None:
    """In how many cases the network beats the trivial answer, of those in which the simpler model does."""
    able = [row for row in rows if "fault" not in row and None not in (row["simpler"], row["trivial"])]
    hopeful = [row for row in able if is_better(row["metric"], row["simpler"], row["trivial"])]
    beaten = [row for row in hopeful if is_better(row["metric"], row["network"], row["trivial"])]
    lost = [row["name"] for row in hopeful if row not in beaten]
    faults = {row["name"]: row["fault"] for row in rows if "fault" in row}
    print(f"{len(rows)} data sets: {len(able)} fitted, in {len(hopeful)} the simpler model beats the trivial answer; ")
    print(f"the network does in {len(beaten)} of these; not in: {', '.join(lost) or 'none'}")
    for name, fault in faults.items():
        print(f"{name}: {fault}")


@cache
def _clone() -> Project:
    """A clone of this repository that lives as long as the process."""
    root = Path(tempfile.mkdtemp(prefix="adoption-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", "--shared", REPOSITORY, root / "clone"], check=True)
    subprocess.run(["dvc", "pull", "--quiet", "data.dvc"], cwd=root / "clone", check=True)
    return Project.find(root / "clone")
