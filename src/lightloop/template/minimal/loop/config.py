"""`params.yaml` as frozen typed objects: a typo is found in the first second, before anything heavy is imported."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lightloop.errors import UsageError

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Frozen):
    """The table: which columns the model may see, and how records are split.

    Attributes:
        name: of the data set, and of its expectation suite in `configs/expectations/`.
        path: of the Parquet file.
        id: column that names each record.
        target: column to be learned, with two values.
        positive: the value whose probability is predicted.
        numbers, categories: columns that are known when a prediction is asked for. No others are read.
        test, validation: shares of the records.
    """

    name: str
    path: str
    id: str
    target: str
    positive: str
    numbers: list[str]
    categories: list[str]
    test: Share
    validation: Share

    @model_validator(mode="after")
    def _no_leak(self) -> "DataConfig":
        columns = [*self.numbers, *self.categories]
        for name in (self.id, self.target):
            if name in columns:
                raise ValueError(f"{name} is no feature: take it out of data.numbers and data.categories")
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]} stands twice among data.numbers and data.categories")
        return self

    @property
    def features(self) -> list[str]:
        return [*self.numbers, *self.categories]


class NetworkConfig(Frozen):
    hidden: list[Count]
    embedding: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]


class TrainerConfig(Frozen):
    max_epochs: Count
    batch_size: Count
    lr: Annotated[float, Field(gt=0)]
    patience: Count


class ExplainConfig(Frozen):
    """`records` are explained with `steps` steps; the attributions may miss the whole by `tolerance`, as a share."""

    records: Count
    steps: Count
    tolerance: Share


class GateConfig(Frozen):
    """When a model may replace the champion.

    Attributes:
        metric: that decides, one of those in `metrics.METRICS`.
        margin: how much worse is still not worse; doubt refuses.
        confidence, resamples: of the bootstrap.
        bounds: by metric the least that is asked for (the most, of metrics where less is better).
        max_parity_difference: between PyTorch and the exported graph.
    """

    metric: Literal["accuracy", "auroc", "log_loss"]
    margin: Annotated[float, Field(ge=0)]
    confidence: Share
    resamples: Count
    bounds: dict[Literal["accuracy", "auroc", "log_loss"], float]
    max_parity_difference: Annotated[float, Field(gt=0)]


class TrackingConfig(Frozen):
    """`auto` is online where WANDB_API_KEY is set, else offline; WANDB_MODE wins over all."""

    project: str
    mode: Literal["auto", "online", "offline", "disabled"]


class Config(Frozen):
    name: str
    seed: Annotated[int, Field(ge=0)]
    data: DataConfig
    network: NetworkConfig
    trainer: TrainerConfig
    explain: ExplainConfig
    gate: GateConfig
    tracking: TrackingConfig


def read_config(path: Path) -> Config:
    """Read `params.yaml`.

    Raises:
        UsageError: it is missing or wrong; says where.
    """
    try:
        return Config.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"{path} is missing: it says what to learn, and how") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{path.name}: {key or 'it'}: {said[0].lower()}{said[1:]}") from None
