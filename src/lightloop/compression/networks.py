"""Smaller networks, trained by the project's own training: pruned, narrowed, or taught by a teacher.

Shapes: N records, O outputs.
"""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from lightloop.compression.graphs import InapplicableError
from lightloop.compression.teachers import Teacher, find_teacher
from lightloop.config.compression import Distil, Narrow, Prune
from lightloop.config.schema import Config, NoAugment
from lightloop.config.search import NoSemi
from lightloop.config.signature import components
from lightloop.config.students import student_network
from lightloop.config.training import NoAverage
from lightloop.data.module import RecordsModule, build_data
from lightloop.networks._ensemble import Ensemble
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, build_network, save_tensors
from lightloop.tasks.distillation import DistilledClasses, DistilledNumbers, noted_teacher, torch_teacher
from lightloop.tasks.processor import tune_allocator
from lightloop.training.ensemble import single
from lightloop.training.fit import fit, start_over
from lightloop.training.member import fingerprint
from lightloop.training.speed import choose_speed

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
TRAINED = "trained.ckpt"
Training = Prune | Narrow | Distil


@dataclass
class Workshop:
    """Makes smaller networks of one that was trained; what was made once is not trained again.

    Attributes:
        config: of the run.
        project: where the data lie, and the scratch folder.
        model: the trained one.
    """

    config: Config
    project: Project
    model: Model

    @property
    def scratch(self) -> Path:
        return self.project.scratch / "compress"

    def model_of(self, steps: Sequence[Training]) -> Model:
        """The network after some steps, in evaluation mode; the trained one is not changed.

        Raises:
            InapplicableError: a step does not apply to the network.
            UsageError: a teacher is not there.
            LightloopError: the loss became infinite or not a number.
        """
        model = self.model
        for place, step in enumerate(steps):
            told = [one.model_dump(mode="json") for one in steps[: place + 1]]
            left_out = ("compress", "audit", "explain", "gate", "card", "tracking")
            folder = self.scratch / fingerprint(self.config, self.project, told, leave_out=left_out)
            match step:
                case Prune():
                    model = self._pruned(model, step, folder)
                case Narrow():
                    model = self._narrowed(model, step, folder)
                case Distil():
                    model = self._taught(model, step, folder)
        return model

    def done(self) -> None:
        """Forget all trainings."""
        start_over(self.scratch)

    def _pruned(self, model: Model, step: Prune, folder: Path) -> Model:
        network = self._copied(model)
        layers = [(layer, "weight") for layer in network.modules() if isinstance(layer, LAYERS)]
        if not layers:
            raise InapplicableError("the network has no layer whose weights could be left out")
        prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=step.sparsity)
        for layer, name in layers:
            prune.remove(layer, name)
        self._train(model, network, step, folder, [_KeepZeros([layer for layer, _ in layers])])
        return replace(model, network=network)

    def _narrowed(self, model: Model, step: Narrow, folder: Path) -> Model:
        network = self._copied(model)
        narrow(network, model.preprocessor, step)
        self._train(model, network, step, folder)
        return replace(model, network=network)

    def _taught(self, model: Model, step: Distil, folder: Path) -> Model:
        config = single(self.config, self.config.seed).model_copy(
            update={"network": student_network(self.config, step), "semi": NoSemi(), "average": NoAverage(name="none")}
        )
        if config.task.name == "multi_task":
            config = config.model_copy(
                update={"task": components("tasks")["classification"].model(name="classification")}
            )
        epochs = step.epochs or config.trainer.max_epochs
        config = config.model_copy(update={"trainer": config.trainer.model_copy(update={"max_epochs": epochs})})
        teacher = find_teacher(self.project, step.teacher, model, config)
        torch.manual_seed(config.seed)
        network = build_network(config, model.preprocessor.inputs)
        student = Model(config, copy.deepcopy(model.preprocessor), network)
        self._teach(student, step, teacher, folder)
        return student

    @staticmethod
    def _copied(model: Model) -> nn.Module:
        if isinstance(model.network, Ensemble):
            raise InapplicableError("the network is an ensemble, whose members differ: distil it into one, then go on")
        return copy.deepcopy(model.network)

    def _train(
        self,
        model: Model,
        network: nn.Module,
        step: Prune | Narrow,
        folder: Path,
        callbacks: Sequence[pl.Callback] = (),
    ) -> None:
        """Fine-tune a network as the project trains, with fewer epochs and another rate."""
        if step.epochs:
            config = model.config
            config = single(config, config.seed).model_copy(
                update={
                    "trainer": config.trainer.model_copy(update={"max_epochs": step.epochs, "lr_find": False}),
                    "optimizer": config.optimizer.model_copy(update={"lr": step.lr * config.optimizer.lr}),
                    "average": NoAverage(name="none"),
                    "semi": NoSemi(),
                }
            )
            data = self._data(config, model)
            task_class = components("tasks")[config.task.name].load()
            speed = choose_speed(config.trainer)
            task = task_class(config, network, data.preprocessor, speed.channels_last, **config.task.arguments())
            self._fit(config, task, data, folder, callbacks)
        network.eval()

    def _teach(self, student: Model, step: Distil, teacher: Teacher, folder: Path) -> None:
        config = student.config
        data = self._data(config, student) if teacher.model else self._noted(config, student, teacher)
        teach = torch_teacher(teacher.model.preprocessor, teacher.model.network) if teacher.model else noted_teacher
        kind = DistilledClasses if config.data.problem == "classification" else DistilledNumbers
        speed = choose_speed(config.trainer)
        task = kind(
            config,
            student.network,
            data.preprocessor,
            speed.channels_last,
            teach=teach,
            temperature=step.temperature,
            alpha=step.alpha,
        )
        self._fit(config, task, data, folder, ())
        student.network.eval()
        student.preprocessor.eval()

    def _data(self, config: Config, model: Model) -> RecordsModule:
        data = build_data(config, self.project.root)
        data.given(None, model.preprocessor)
        data.setup()
        return data

    def _noted(self, config: Config, student: Model, teacher: Teacher) -> RecordsModule:
        """Records with the answers of a teacher that looks at raw records: these are not augmented, nor drawn anew."""
        data = self._data(config.model_copy(update={"augment": NoAugment(name="none")}), student)
        table, train = data.tables["train"], data.splits["train"]
        if len(table) != len(train):
            raise InapplicableError(
                f"balance={config.balance.name} draws records anew, which the teacher's answers do not follow"
            )
        assert teacher.outputs is not None
        outputs = torch.from_numpy(np.ascontiguousarray(teacher.outputs(table), dtype=np.float32))
        data.splits["train"] = replace(train, auxiliary=(*train.auxiliary, outputs))
        return data

    def _fit(
        self, config: Config, task: Any, data: RecordsModule, folder: Path, callbacks: Sequence[pl.Callback]
    ) -> None:
        """Train, and give the network the weights of the best epoch."""
        kept = folder / TRAINED
        if not kept.exists():
            tune_allocator()
            torch.manual_seed(config.seed)
            fitted = fit(
                config,
                task,
                data,
                choose_speed(config.trainer),
                scratch=folder,
                logger=False,
                callbacks=callbacks,
                lines=False,
                bad_batch=self.project.scratch / "nan-batch.pt",
            )
            state = torch.load(fitted.best, map_location="cpu", weights_only=True)["state_dict"]
            own = {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
            save_tensors(own, kept)
        task.network.load_state_dict(torch.load(kept, map_location="cpu", weights_only=True))
        task.network.to(memory_format=torch.contiguous_format)


def narrow(network: nn.Module, preprocessor: nn.Module, step: Narrow) -> None:
    """Remove channels of a network in place, with all that depends on them.

    Raises:
        InapplicableError: torch-pruning can't follow how the network's layers depend on each other.
    """
    import torch_pruning as tp

    example = tuple(part.detach() for part in preprocessor(*preprocessor.example()))  # type: ignore[operator]
    network.eval()
    before = network(*example)
    parameters = sum(weights.numel() for weights in network.parameters())
    last = _last_layer(network, example)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pruner = tp.pruner.BasePruner(
                network,
                example,
                importance=tp.importance.GroupMagnitudeImportance(p=1 if step.importance == "l1" else 2),
                pruning_ratio=1 - step.keep,
                ignored_layers=[last],
            )
            pruner.step()
        after = network(*example)
    except Exception as error:  # noqa: BLE001 - whatever a tracer of graphs meets; the reason is told
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InapplicableError(f"channels can't be removed from this network ({reason})") from None
    if after.shape != before.shape:
        raise InapplicableError("removing channels would remove outputs")
    if sum(weights.numel() for weights in network.parameters()) >= parameters:
        raise InapplicableError("no channel of this network can be removed without another layer's")


def _last_layer(network: nn.Module, example: tuple[Tensor, ...]) -> nn.Module:
    """The layer with weights that is called last: its outputs are the network's."""
    called: list[nn.Module] = []
    hooks = [
        layer.register_forward_hook(lambda module, *_: called.append(module))
        for layer in network.modules()
        if isinstance(layer, LAYERS)
    ]
    network(*example)
    for hook in hooks:
        hook.remove()
    if not called:
        raise InapplicableError("the network has no layer whose channels could be removed")
    return called[-1]


class _KeepZeros(pl.Callback):
    """Weights that were left out stay 0 after every step."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.weights = [weight for layer in layers if isinstance(weight := layer.weight, Tensor)]
        self.kept = [(weight != 0).detach().to(weight.dtype) for weight in self.weights]

    @torch.no_grad()
    def on_train_batch_end(self, *arguments: Any) -> None:
        for weight, kept in zip(self.weights, self.kept, strict=True):
            weight.mul_(kept)
