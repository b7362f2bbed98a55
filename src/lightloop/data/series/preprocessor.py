"""Preprocessing of series as part of the model: gaps, season, trend, differences and scale, and back again.

Shapes: N records, B batch, T steps of a window, C channels, H steps of the horizon, Q quantiles, S places of a season.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from torch import Tensor

from lightloop.config.schema import Config
from lightloop.config.series import SeriesPreprocess, SeriesSpec
from lightloop.data.preprocessor import Preprocessor
from lightloop.data.series.clock import Clock
from lightloop.data.series.gaps import fill
from lightloop.data.series.input import SeriesInput
from lightloop.data.series.operators import operators
from lightloop.data.series.season import seasonal_profile
from lightloop.data.series.windows import CLOCK
from lightloop.data.targets import encode_targets
from lightloop.networks._inputs import SeriesInputs

SCALERS: dict[str, Any] = {"standard": StandardScaler, "min_max": MinMaxScaler, "robust": RobustScaler}
CLOCK_FILE = "clock.json"


class SeriesPreprocessor(Preprocessor):
    """Windows of raw values to what the network takes, and its outputs to forecasts in the target's units.

    All of it is arithmetic in the graph, with its state in buffers: fill the gaps, take out the seasonal profile,
    smooth, take out the trend, take differences, scale. A forecast goes the way back: scale, sums, trend, season. What
    each setting does says `config.series.SeriesPreprocess`.

    Args:
        config: of the run; read are `data`, `preprocess` and `loss`.

    Attributes:
        target_scale: a scalar by which losses are divided, so that they do not depend on the target's unit: the
            root mean square of what is left to predict when the network answers 0.
    """

    inner_TT: Tensor
    ahead_HT: Tensor
    outer_HH: Tensor
    profile_S: Tensor
    centre: Tensor
    scale: Tensor
    target_centre: Tensor
    target_scale: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        assert isinstance(config.data, SeriesSpec)
        assert isinstance(config.preprocess, SeriesPreprocess)
        self.spec = config.data
        self.settings = config.preprocess
        self.forecasts = self.spec.problem == "forecasting"
        self.horizon = self.spec.horizon if self.forecasts else 0
        self.levels = len(getattr(config.loss, "levels", (0.5,)))
        self.clock: Clock | None = None
        found = operators(self.settings, self.spec.window, self.horizon)
        for name in ("inner_TT", "ahead_HT", "outer_HH"):
            self.register_buffer(name, torch.from_numpy(getattr(found, name)).float())
        self.register_buffer("profile_S", torch.zeros(self.spec.season))
        for name, value in (("centre", 0.0), ("scale", 1.0), ("target_centre", 0.0), ("target_scale", 1.0)):
            self.register_buffer(name, torch.tensor(value))

    @property
    def seasonal(self) -> bool:
        """Whether the seasonal profile is needed."""
        return self.settings.seasonal

    def fit(self, train: pa.Table) -> None:
        if self.forecasts:
            self.clock = Clock.model_validate_json(train.schema.metadata[CLOCK])
        (series_NTC,) = self.encode(train)
        if self.seasonal:
            method = "stl" if self.settings.decompose == "none" else self.settings.decompose
            values_T, phases_T = self._whole(train)
            profile = seasonal_profile(values_T, phases_T, self.spec.season, method)
            self.profile_S.copy_(torch.from_numpy(profile))
        self._fit_scale(series_NTC)
        if self.spec.problem in ("forecasting", "regression"):
            self._fit_target(encode_targets(train, self.spec), series_NTC)

    def _whole(self, train: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The training series that the windows were cut from, NaN in gaps, and its places in the season."""
        assert self.clock is not None
        origins_N = train.column(self.spec.time).to_numpy().astype("datetime64[s]")
        last_N = self.clock.places(origins_N)
        known_NT = self.input.encode(train, {})["series"][:, :, 0]
        wanted_NH = encode_targets(train, self.spec).numpy()
        values = np.full(int(last_N.max()) + 1 + self.horizon, np.nan)
        values[last_N[:, None] + np.arange(1 - self.spec.window, 1)] = known_NT
        values[last_N[:, None] + np.arange(1, self.horizon + 1)] = wanted_NH
        first = int(np.flatnonzero(~np.isnan(values))[0])
        stop = self.clock.times(origins_N[last_N.argmax()][None], len(values) - self.horizon)[0]
        places = np.concatenate([self.clock.phases(stop), self._ahead(self.clock.phases(stop[-1:]))])
        return values[first:], places[first:]

    def _ahead(self, phase: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.clock is not None
        return np.asarray((phase + self.clock.advance * np.arange(1, self.horizon + 1)) % 1)

    def _fit_scale(self, series_NTC: Tensor) -> None:
        """Centre and scale of all training windows together; of what is constant the scale is 1."""
        if self.settings.scale == "none" or self.settings.scale_by == "window":
            return
        flat_NT = self._flat(self._filled(series_NTC))
        scaler = SCALERS[self.settings.scale]().fit(
            flat_NT[:, self.settings.difference :].reshape(-1, 1).double().numpy()
        )
        if self.settings.scale == "min_max":
            centre, scale = scaler.data_min_[0], scaler.data_range_[0]
        else:
            centre, scale = (scaler.mean_ if self.settings.scale == "standard" else scaler.center_)[0], scaler.scale_[0]
        self.centre.fill_(float(centre))
        self.scale.fill_(float(scale) if scale > 0 else 1.0)

    def _fit_target(self, targets_NH: Tensor, series_NTC: Tensor) -> None:
        if self.forecasts:
            nothing_NO = torch.zeros(len(targets_NH), self.horizon * self.levels)
            answers_NH = self.restore(nothing_NO, series_NTC)[:, :: self.levels]
        else:
            self.target_centre.fill_(targets_NH.mean())
            answers_NH = self.target_centre
        left = (targets_NH - answers_NH).double().square().mean().sqrt()
        self.target_scale.fill_(float(left) if left > 0 else 1.0)

    @property
    def input(self) -> SeriesInput:
        return SeriesInput(
            column=self.spec.known,
            window=self.spec.window,
            time=self.spec.time if self.forecasts else None,
            clock=self.clock,
            phase=self.seasonal,
            calendar=self.settings.calendar,
        )

    @property
    def inputs(self) -> SeriesInputs:
        return SeriesInputs(self.spec.window, 1 + 2 * len(self.settings.calendar) + self.settings.indicator)

    def encode(self, table: pa.Table) -> tuple[Tensor, ...]:
        """Raw series (N, T, C), float32, NaN in gaps; the channels are those of `SeriesInput`."""
        return (torch.from_numpy(self.input.encode(table, {})["series"]),)

    def forward(self, *encoded: Tensor) -> tuple[Tensor, ...]:
        """Prepared series (B, T, channels), float32: values, calendar, and what was missing where that is asked for."""
        (series_BTC,) = encoded
        flat_BT = self._flat(self._filled(series_BTC))
        centre_B1, scale_B1 = self._scale(flat_BT)
        parts = [((flat_BT - centre_B1) / scale_B1)[:, :, None], series_BTC[:, :, 1 + self.seasonal :]]
        if self.settings.indicator:
            parts.append(torch.isnan(series_BTC[:, :, :1]).to(series_BTC.dtype))
        return (torch.cat(parts, 2),)

    def restore(self, outputs_BO: Tensor, *encoded: Tensor) -> Tensor:
        """Outputs in the target's units: those of a forecast are (H, Q) numbers; others belong to other heads."""
        if self.spec.problem == "regression":
            return outputs_BO * self.target_scale + self.target_centre
        if not self.forecasts:
            return outputs_BO
        (series_BTC,) = encoded
        numbers = self.horizon * self.levels
        own_BHQ = outputs_BO[:, :numbers].reshape(-1, self.horizon, self.levels)
        filled_BT = self._filled(series_BTC)
        centre_B1, scale_B1 = self._scale(self._flat(filled_BT))
        with _exact(series_BTC):
            steps_BHQ = self.outer_HH @ (own_BHQ * scale_B1[:, :, None] + centre_B1[:, :, None])
        level_BH = self._product(filled_BT, self.ahead_HT)
        if self.settings.decompose != "none":
            level_BH = level_BH + self._season(self._phases_ahead(series_BTC))
        restored_BO = (steps_BHQ + level_BH[:, :, None]).flatten(1)
        return restored_BO if outputs_BO.shape[1] == numbers else torch.cat([restored_BO, outputs_BO[:, numbers:]], 1)

    def _filled(self, series_BTC: Tensor) -> Tensor:
        """Values (B, T) without gaps and, where it is taken out, without season."""
        values_BT = series_BTC[:, :, 0]
        if not self.seasonal:
            return fill(values_BT, self.settings.missing)
        season_BT = self._season(series_BTC[:, :, 1])
        if self.settings.missing == "seasonal":
            filled_BT = fill(values_BT - season_BT, "linear")
            return filled_BT if self.settings.decompose != "none" else filled_BT + season_BT
        return fill(values_BT, self.settings.missing) - season_BT

    def _flat(self, filled_BT: Tensor) -> Tensor:
        """Smoothed, without trend, differenced."""
        return self._product(filled_BT, self.inner_TT)

    def _product(self, x_BT: Tensor, matrix_MT: Tensor) -> Tensor:
        """`matrix @ x`, computed about the last value: values of hundreds that differ by tenths keep their digits."""
        last_B1 = x_BT[:, -1:]
        with _exact(x_BT):
            product_BM: Tensor = (x_BT - last_B1) @ matrix_MT.T + last_B1 * matrix_MT.sum(1).round()
        return product_BM

    def _scale(self, flat_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and scale, (B, 1), or (1, 1) where they are those of the training windows."""
        if self.settings.scale == "none" or self.settings.scale_by == "training":
            return self.centre.reshape(1, 1), self.scale.reshape(1, 1)
        flat_BT = flat_BT[:, self.settings.difference :]
        match self.settings.scale:
            case "standard":
                centre_B1 = flat_BT.mean(1, keepdim=True)
                scale_B1 = (flat_BT - centre_B1).square().mean(1, keepdim=True).sqrt()
            case "min_max":
                centre_B1 = flat_BT.amin(1, keepdim=True)
                scale_B1 = flat_BT.amax(1, keepdim=True) - centre_B1
            case _:
                sorted_BT = flat_BT.sort(1).values
                centre_B1 = _quantile(sorted_BT, 0.5)
                scale_B1 = _quantile(sorted_BT, 0.75) - _quantile(sorted_BT, 0.25)
        # Of a constant window the scale is 1. What is below rounding is constant.
        return centre_B1, torch.where(scale_B1 > 1e-6, scale_B1, 1.0)

    def _season(self, phases: Tensor) -> Tensor:
        """The seasonal profile at places in the season: a line between its neighbouring values."""
        place = phases * self.spec.season
        low = place.floor()
        share = place - low
        first = low.long().remainder(self.spec.season)
        following = (first + 1).remainder(self.spec.season)
        return self.profile_S[first] * (1 - share) + self.profile_S[following] * share

    def _phases_ahead(self, series_BTC: Tensor) -> Tensor:
        """Places (B, H) in the season of the steps that are forecast."""
        assert self.clock is not None
        ahead_H = torch.arange(1, self.horizon + 1, dtype=series_BTC.dtype, device=series_BTC.device)
        phases_BH = series_BTC[:, -1:, 1] + ahead_H * self.clock.advance
        return phases_BH - phases_BH.floor()

    def files(self) -> dict[str, bytes]:
        return {CLOCK_FILE: self.clock.model_dump_json().encode()} if self.clock else {}

    def load_files(self, files: dict[str, bytes]) -> None:
        if CLOCK_FILE in files:
            self.clock = Clock.model_validate_json(files[CLOCK_FILE])


def _exact(x: Tensor) -> AbstractContextManager[Any]:
    """Full precision where the trainer computes in bf16, whose three digits are too few for levels of hundreds."""
    # Only then: an exported graph has no such context.
    if torch.is_autocast_enabled(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()


def _quantile(sorted_BT: Tensor, level: float) -> Tensor:
    """A quantile (B, 1) of sorted values, by a line between its neighbours."""
    place = level * (sorted_BT.shape[1] - 1)
    low = int(place)
    high = min(low + 1, sorted_BT.shape[1] - 1)
    return sorted_BT[:, low : low + 1] + (sorted_BT[:, high : high + 1] - sorted_BT[:, low : low + 1]) * (place - low)
