"""The DataModule of series."""

import torch
from torch import Tensor

from lightloop.config.series import SeriesAugment
from lightloop.data.module import RecordsModule
from lightloop.data.series.augment import augment_series


class SeriesModule(RecordsModule):
    """Series or windows of one, held as one tensor of raw values and what their time stamps say."""

    def augment(
        self, inputs: tuple[Tensor, ...], targets: Tensor, random: torch.Generator
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        settings = self.config.augment
        assert isinstance(settings, SeriesAugment)
        forecasts = self.config.data.problem == "forecasting"
        series_BTC, targets = augment_series(inputs[0], targets, settings, random, forecasts=forecasts)
        return (series_BTC, *inputs[1:]), targets
