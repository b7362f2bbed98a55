"""`lightloop compare`: whether one setting is better than another, on the same folds and seeds."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from lightloop.config.compose import compose_config
from lightloop.config.metrics import METRICS, metric, signed
from lightloop.errors import UsageError
from lightloop.files import read_json, write_json
from lightloop.project import Project
from lightloop.training.comparison import compare_pairs, repeated_anova, scores_by_division, summarise


def compare(
    settings: Sequence[str], *, folds: int = 5, seeds: int = 1, metric_name: str | None = None, out: Path | None = None
) -> dict[str, Any]:
    """Train each setting on the same folds and seeds, test the differences, print them.

    Args:
        settings: two or more: an experiment's name, overrides in one word (`"experiment=loans network=mlp"`), or a file
            that holds a result (`artifacts/folds/result.json` of a run).
        folds: of those that are trained.
        seeds: likewise.
        metric_name: what is compared; by default what decides at the gate of the first setting that is trained.
        out: a JSON file for the result.

    Returns:
        `metric`, `settings` (name, mean, std, low, high), `pairs` (see `training.comparison.Difference`), `anova`.

    Raises:
        UsageError: a setting does not compose, or the settings are not on the same folds and seeds.
        LightloopError: a training failed.
    """
    if len(settings) < 2:
        raise UsageError('two or more settings are compared: lightloop compare loans "experiment=loans network=mlp"')
    if len(set(settings)) < len(settings):
        raise UsageError("a setting stands there twice: name each once")
    if folds * seeds < 2:
        raise UsageError("one training says nothing about chance: say --folds 5, or --seeds 5")
    project = Project.find()
    results = {setting: _result(project, setting, folds, seeds) for setting in settings}
    wanted = metric_name or next((name for name, _ in results.values() if name), None)
    name = metric(wanted or next(iter(METRICS))).name
    contents = {setting: content for setting, (_, content) in results.items()}
    found = differences(contents, name)
    print_comparison(found)
    if out is not None:
        write_json(out, found)
    return found


def _result(project: Project, setting: str, folds: int, seeds: int) -> tuple[str | None, dict[str, Any]]:
    """The gate's metric, where it is known, and the content of a result of folds."""
    if setting.endswith(".json"):
        content = read_json(Path(setting))
        if not isinstance(content, dict) or not content.get("members"):
            raise UsageError(f"{setting} holds no members: give a result of `lightloop run folds=5`")
        return None, content
    overrides = setting.split() if "=" in setting else [f"experiment={setting}"]
    config = compose_config(project, [*overrides, f"folds={folds}", f"seeds={seeds}", "ensemble=none"])
    from lightloop.training.folds import family, train_folds

    print(f"{setting} ...", flush=True)
    return config.gate.metric, train_folds(config, project, scratch=family(project)).content


def differences(results: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """The differences between results on one metric, in its own sign.

    Raises:
        UsageError: the results are not on the same records, or do not know the metric.
    """
    first_name, first = next(iter(results.items()))
    for setting, content in results.items():
        if _divisions(content) != _divisions(first):
            raise UsageError(
                f"{setting} and {first_name} do not hold out the same records: compare settings of the same data, "
                "split, seed, folds and seeds"
            )
        if name not in content["metrics"]:
            raise UsageError(f"{setting} has no {name}: its metrics are {', '.join(content['metrics'])}")
    ratio, drawn = float(first["ratio"]), bool(first["drawn"])
    scores = {
        setting: scores_by_division(content["members"], name, drawn=drawn) for setting, content in results.items()
    }
    undefined = [setting for setting, values_J in scores.items() if not np.isfinite(values_J).all()]
    if undefined:
        raise UsageError(f"{name} is undefined on a fold of {undefined[0]}: take another metric, or fewer folds")
    f, p = repeated_anova(scores, ratio) if len(scores) > 2 else (None, math.nan)
    return {
        "metric": name,
        "folds": first["folds"],
        "seeds": first["seeds"],
        "ratio": ratio,
        "settings": [{"name": setting, **asdict(summarise(values_J, ratio))} for setting, values_J in scores.items()],
        "pairs": [asdict(difference) for difference in compare_pairs(scores, ratio)],
        "anova": {"f": f, "p": p} if len(scores) > 2 else None,
    }


def _divisions(content: dict[str, Any]) -> list[tuple[int, int, str]]:
    return [(row["fold"], row["seed"], row["held_out"]) for row in content["members"]]


def print_comparison(found: dict[str, Any], level: float = 0.05) -> None:
    """The settings, the pairs, and in words what is to be believed."""
    name = found["metric"]
    console = Console(highlight=False, width=120)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("setting", METRICS[name].title, "std", "95% interval"):
        table.add_column(column)
    for row in found["settings"]:
        table.add_row(row["name"], f"{row['mean']:.4f}", f"{row['std']:.4f}", f"[{row['low']:.4f}, {row['high']:.4f}]")
    console.print(table)
    if found["anova"]:
        f = found["anova"]["f"]
        shown = "" if f is None else f"F = {f:.2f}, "
        console.print(f"all equal? {shown}p = {found['anova']['p']:.4f} (repeated measures, corrected for folds)")
    for pair in found["pairs"]:
        better = signed(name, pair["value"]) > 0
        sure = pair["holm"] < level
        word = ("better" if better else "worse") if sure else "not told apart from"
        than = " than" if sure else ""
        console.print(
            f"{pair['second']} is {word}{than} {pair['first']}: difference {pair['value']:+.4f} "
            f"[{pair['low']:+.4f}, {pair['high']:+.4f}], p = {pair['p']:.4f}, "
            f"with Holm's correction {pair['holm']:.4f}",
            soft_wrap=True,
        )
    console.print(
        f"corrected resampled t-test over {found['folds']} folds x {found['seeds']} seeds (Nadeau & Bengio 2003)"
    )
