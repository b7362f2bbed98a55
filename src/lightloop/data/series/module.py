"""The DataModule of series."""

import torch

from lightloop.config.series import SeriesAugment
from lightloop.data.batches import Batch
from lightloop.data.module import RecordsModule
from lightloop.data.series.augment import augment_series


class SeriesModule(RecordsModule):
    """Series or windows of one, held as one tensor of raw values and what their time stamps say."""

    def augment(self, batch: Batch, random: torch.Generator) -> Batch:
        settings = self.config.augment
        assert isinstance(settings, SeriesAugment)
        forecasts = self.config.data.problem == "forecasting"
        series_BTC, *rest = batch.inputs
        series_BTC, targets = augment_series(series_BTC, batch.targets, settings, random, forecasts=forecasts)
        return batch._replace(inputs=(series_BTC, *rest), targets=targets)
