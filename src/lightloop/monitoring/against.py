"""What the answers of a window are held against: the bundle's held-out answers, and what its gate asked for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightloop.calibration.rules import Calibration
from lightloop.config.metrics import METRICS
from lightloop.config.monitoring import MonitorConfig
from lightloop.serving.manifest import Manifest
from lightloop.serving.profile import HeldOut, Profile

# Held-out or labelled records that the costly tests draw: beyond, only time is gained.
MOST = 20_000


@dataclass(frozen=True, eq=False)
class Against:
    """The reference of all looks at answers.

    Attributes:
        manifest: of the bundle.
        profile: of the bundle.
        held: its held-out answers beside the truth.
        config: limits.
        seed: of draws.
    """

    manifest: Manifest
    profile: Profile
    held: HeldOut
    config: MonitorConfig
    seed: int = 0

    @property
    def rules(self) -> Calibration:
        """How answers are decided, and how sure they are."""
        return self.manifest.rules

    @cached_property
    def held_codes(self) -> NDArray[np.int64]:
        """The classes (M,) that held-out records were answered with."""
        return self.rules.decision.decide(self.held.probabilities)

    @property
    def size(self) -> int:
        """M: held-out records."""
        return max(len(self.held.probabilities), len(self.held.values))

    @property
    def block(self) -> int:
        """Neighbouring records that overlap: the windows of a forecast have all but one step in common."""
        return self.held.values.shape[1] if self.manifest.problem == "forecasting" else 1

    @property
    def fewest(self) -> int:
        """Records that anything is said of; of forecasts so many that do not overlap would be few, so more."""
        return self.config.fewest * min(self.block, 4)

    @property
    def metric(self) -> str:
        """That the gate decides by, where it needs nothing but answers and truth; else the mean error, or accuracy."""
        return self.judged[0]

    @cached_property
    def judged(self) -> tuple[str, ...]:
        """The gate's metric and further ones, the first decides most."""
        gate = self._gate
        plain = "accuracy" if self.manifest.answer == "probabilities" else "mae"
        named = [gate.get("metric", plain), *gate.get("further", {})]
        # What needs more than answers and truth is as large as the mean error, but for a constant.
        usable = [plain if name in ("mase", "coverage", "width", "ece") else name for name in named]
        return tuple(dict.fromkeys(name for name in usable if name in METRICS))

    def margin(self, metric: str) -> float:
        """How much worse is still not worse, in the metric's unit: what the gate allows a challenger."""
        gate = self._gate
        if metric == gate.get("metric"):
            return float(gate.get("margin", 0.0))
        return float(gate.get("further", {}).get(metric, 0.0))

    @property
    def _gate(self) -> dict[str, Any]:
        found: dict[str, Any] = self.manifest.config.get("gate", {})
        return found
