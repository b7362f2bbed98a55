"""Several networks released as one: members of folds and seeds, or snapshots of one training.

Members share one preprocessing, fitted on the whole training split, since the exported graph has one. Held-out scores
of such members are a little too good where preprocessing learns much from records; without an ensemble each member
fits its own.

Shapes: N records, M members, K classes, S seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import ModelCheckpoint
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from lightloop.config.schema import Config
from lightloop.config.search import NoEnsemble, Snapshots, Stacking, Weighted
from lightloop.data.records import label_codes
from lightloop.data.splits import SplitName, read_splits
from lightloop.errors import LightloopError
from lightloop.evaluation.evidence import matrix
from lightloop.files import read_json_or
from lightloop.networks._ensemble import stacking_features
from lightloop.project import Project
from lightloop.tasks.checkpoint import CONFIG_KEY, save_tensors
from lightloop.training.member import Member, train_member
from lightloop.training.semi import train_semi

HELD_OUT = "held-out.parquet"
MEMBERS = "members.json"
STATE = "state_dict"


def single(config: Config, seed: int) -> Config:
    """The config of one member."""
    return config.model_copy(update={"seed": seed, "folds": 1, "seeds": 1, "ensemble": NoEnsemble()})


def member_file(fold: int, seed: int) -> str:
    """The name of a member's checkpoint."""
    return f"fold-{fold:02d}-seed-{seed:02d}.ckpt"


def train_released(config: Config, project: Project, *, scratch: Path, logger: Any) -> Member:
    """Train what the config releases: one network, or an ensemble.

    Args:
        config: of the run.
        project: the members of folds and seeds are read from it.
        scratch: folder of this training alone, see `train_member`.
        logger: of Lightning, or False.

    Raises:
        LightloopError: members are missing; or as `train_member`.
    """
    match config.ensemble:
        case NoEnsemble():
            return train_semi(config, project, scratch=scratch, logger=logger, watched=True)
        case Snapshots():
            members, states = _snapshots(config, config.ensemble, project, scratch, logger)
            extra: dict[str, Tensor] = {}
        case _:
            members, states, extra = _members(config, project)
    checkpoint = scratch / "ensemble.ckpt"
    _write(config, members[0].checkpoint, states, extra, checkpoint)
    return Member(checkpoint, mean_history([member.history for member in members]), _summary(members, len(states)))


def _members(config: Config, project: Project) -> tuple[list[Member], list[dict[str, Tensor]], dict[str, Tensor]]:
    """The members that the folds stage trained, and what the rule learns from their held-out answers."""
    rows = read_json_or(project.members / MEMBERS, [])
    files = [project.members / member_file(row["fold"], row["seed"]) for row in rows]
    if len(files) != config.folds * config.seeds or not all(file.exists() for file in files):
        raise LightloopError(
            f"ensemble={config.ensemble.name} needs {config.folds * config.seeds} members, but "
            f"{project.relative(project.members)} does not hold them: run `lightloop run`, whose folds stage makes them"
        )
    members = [Member(file, row["history"], row["summary"]) for file, row in zip(files, rows, strict=True)]
    extra: dict[str, Tensor] = {}
    match config.ensemble:
        case Weighted(temperature=temperature):
            losses_M = np.array([row["metrics"].get("log_loss") or row["validation_loss"] for row in rows])
            extra["weights_M"] = torch.from_numpy(loss_weights(losses_M, temperature)).float()
        case Stacking(c=c):
            weight, bias = fit_stacking(config, pq.read_table(project.members / HELD_OUT), c)
            extra |= {"stack.weight": weight, "stack.bias": bias}
        case _:
            pass
    return members, [_network_state(file) for file in files], extra


def loss_weights(losses_M: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    """Weights that sum to 1 and fall with the loss.

    Examples:
        >>> loss_weights(np.array([0.5, 0.5]), 0.1).tolist()
        [0.5, 0.5]
    """
    weights_M = np.exp(-(losses_M - losses_M.min()) / temperature)
    return np.asarray(weights_M / weights_M.sum(), dtype=np.float64)


def fit_stacking(config: Config, held_out: pa.Table, c: float) -> tuple[Tensor, Tensor]:
    """Weight (K, S * K) and bias (K,) of a linear layer on `networks._ensemble.stacking_features`.

    Args:
        config: of the run; read are the classes and the number of seeds.
        held_out: a row a held-out record and seed: `id`, `seed`, `label`, `probabilities`.
        c: inverse regularisation.
    """
    classes, seeds = config.data.classes, config.seeds
    seed_of = np.asarray(held_out.column("seed"))
    ids = np.asarray(held_out.column("id").to_pylist())
    p_NK = matrix(held_out, "probabilities")
    order = [np.flatnonzero(seed_of == seed)[np.argsort(ids[seed_of == seed], kind="stable")] for seed in range(seeds)]
    p_SNK = torch.from_numpy(np.stack([p_NK[rows] for rows in order]))
    features_NF = stacking_features(p_SNK, seeds).numpy()
    labels_N = label_codes(held_out.column("label").take(order[0]).to_pylist(), classes)
    model = LogisticRegression(C=c, max_iter=5000, tol=1e-6).fit(features_NF, labels_N)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # of two classes scikit-learn gives the second's logit alone
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return torch.from_numpy(weight).float(), torch.from_numpy(bias).float()


def _snapshots(
    config: Config, settings: Snapshots, project: Project, scratch: Path, logger: Any
) -> tuple[list[Member], list[dict[str, Tensor]]]:
    tables = read_splits(config.data, project.root, config.seed)
    if settings.schedule == "cyclic":
        members = _cycles(config, settings.count, project, scratch, tables, logger=logger)
        return members, [_network_state(member.checkpoint) for member in members]
    kept = ModelCheckpoint(dirpath=scratch / "snapshots", filename="{epoch:05d}", save_top_k=-1, every_n_epochs=1)
    kept.CHECKPOINT_EQUALS_CHAR = "-"
    trainer = config.trainer.model_copy(update={"patience": config.trainer.max_epochs})
    whole = single(config, config.seed).model_copy(update={"trainer": trainer})
    member = train_semi(whole, project, scratch=scratch, tables=tables, logger=logger, callbacks=[kept])
    files = sorted((scratch / "snapshots").glob("*.ckpt"))[-settings.count :]
    return [member], [_network_state(file) for file in files]


def _cycles(
    config: Config,
    count: int,
    project: Project,
    scratch: Path,
    tables: Mapping[SplitName, pa.Table],
    *,
    logger: Any,
) -> list[Member]:
    """One training after the other, each from the weights of the one before, with the schedule from its start."""
    members: list[Member] = []
    for cycle, epochs in enumerate(shares(config.trainer.max_epochs, count)):
        trainer = config.trainer.model_copy(update={"max_epochs": epochs, "patience": epochs})
        # Another seed for another order of the records; the splits are those of the run.
        part = single(config, config.seed + cycle).model_copy(update={"trainer": trainer})
        members.append(
            train_member(
                part,
                project,
                scratch=scratch / f"cycle-{cycle}",
                tables=tables,
                initial=members[-1].checkpoint if members else None,
                logger=logger if cycle == 0 else False,
            )
        )
    past = 0
    for number, member in enumerate(members):
        rows = [row | {"epoch": row["epoch"] + past} for row in member.history]
        past += len(rows)
        members[number] = replace(member, history=rows)
    return members


def shares(total: int, count: int) -> list[int]:
    """`total` in `count` parts that differ by at most one, the larger ones first.

    Examples:
        >>> shares(20, 3)
        [7, 7, 6]
    """
    return [total // count + (part < total % count) for part in range(count)]


def _network_state(checkpoint: Path) -> dict[str, Tensor]:
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)[STATE]
    return {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}


def _write(
    config: Config, first: Path, states: Sequence[Mapping[str, Tensor]], extra: Mapping[str, Tensor], target: Path
) -> None:
    """A checkpoint of all members, with the preprocessing of the first, which is that of all."""
    content = torch.load(first, map_location="cpu", weights_only=True)
    state = {key: value for key, value in content[STATE].items() if key.startswith("preprocessor.")}
    state["network.weights_M"] = torch.full((len(states),), 1 / len(states))
    for number, member in enumerate(states):
        state |= {f"network.members.{number}.{key}": value.contiguous() for key, value in member.items()}
    state |= {f"network.{key}": value for key, value in extra.items()}
    save_tensors({**content, STATE: state, CONFIG_KEY: config.model_dump(mode="json")}, target)


def mean_history(histories: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float]]:
    """Of each epoch the mean over the trainings that reached it."""
    by_epoch: dict[float, list[Mapping[str, float]]] = {}
    for history in histories:
        for row in history:
            by_epoch.setdefault(row["epoch"], []).append(row)
    return [
        {name: rows[0][name] if name == "epoch" else float(np.mean([row[name] for row in rows])) for name in rows[0]}
        for _, rows in sorted(by_epoch.items())
    ]


def _summary(members: Sequence[Member], count: int) -> dict[str, Any]:
    """The summary of the first member, with the sums of all."""
    first = members[0].summary
    return first | {
        "parameters": first["parameters"] * count,
        "epochs": sum(member.summary["epochs"] for member in members),
        "members": count,
    }
