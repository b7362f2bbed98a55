"""Further trainings of the run's own config, on other records.

Each has a folder of its own below the project's scratch folder: an interrupted audit goes on with what is done.
"""

import hashlib
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from lightloop.config.schema import Config
from lightloop.config.search import NoSemi
from lightloop.data.splits import SplitName
from lightloop.project import Project
from lightloop.tasks.checkpoint import Model, load_model
from lightloop.training.ensemble import single
from lightloop.training.fit import start_over
from lightloop.training.folds import NOT_OF_A_MEMBER
from lightloop.training.member import fingerprint, train_member

Tables = Mapping[SplitName, pa.Table]


@dataclass(frozen=True)
class Trainer:
    """Trains networks as the run does, one for each set of records and seed.

    Attributes:
        config: of the run.
        project: where the data lie, and the scratch folder.
    """

    config: Config
    project: Project

    @property
    def scratch(self) -> Path:
        return self.project.scratch / "audit"

    def train(
        self,
        tables: Tables,
        *,
        config: Config | None = None,
        number: int = 0,
        epochs: int | None = None,
        share: float = 1.0,
    ) -> Model:
        """A network, trained; of an ensemble's config a single one.

        Args:
            tables: records of each split.
            config: another than that of the run.
            number: of the seed, after that of the run.
            epochs: at most; None trains as long as the run.
            share: of the run's training records that these are. Batches are smaller by its root, since else few
                records would also mean few steps of the optimizer.

        Raises:
            LightloopError: the loss became infinite or not a number.
        """
        config = config or self.config
        trainer = config.trainer
        trainer = trainer.model_copy(
            update={
                "max_epochs": min(trainer.max_epochs, epochs or trainer.max_epochs),
                "batch_size": min(
                    trainer.batch_size, max(SMALLEST_BATCH, round(math.sqrt(share) * trainer.batch_size))
                ),
            }
        )
        one = single(config, config.seed + number).model_copy(update={"trainer": trainer, "semi": NoSemi()})
        folder = self.scratch / fingerprint(one, self.project, digest(tables), leave_out=NOT_OF_A_MEMBER)
        member = train_member(one, self.project, scratch=folder, tables=tables, lines=False)
        return load_model(member.checkpoint)

    def done(self) -> None:
        """Forget all of them."""
        start_over(self.scratch)
        shutil.rmtree(self.scratch, ignore_errors=True)


SMALLEST_BATCH = 16


def digest(tables: Tables) -> str:
    """Stands for the records of all splits, in their order."""
    found = hashlib.sha256()
    for split, table in tables.items():
        found.update(f"{split}: {' '.join(table.column('id').to_pylist())}\n".encode())
    return found.hexdigest()
