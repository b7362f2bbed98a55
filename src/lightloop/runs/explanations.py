"""Explanations of a run: how single records were answered, what counts overall, and what may be believed of it.

Shapes: N explained records, Q parts of a record (columns, tokens, steps), H height, W width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightloop.errors import LightloopError, UsageError
from lightloop.files import read_json, read_json_or
from lightloop.runs.source import Source

# What stands among the methods where samples were generated: whether they are copies of training records.
OF_SAMPLES = "memorisation"


@dataclass(frozen=True)
class Explanations:
    """What the explain stage left behind.

    Attributes:
        source: where its files come from.
    """

    source: Source

    @cached_property
    def content(self) -> dict[str, Any]:
        """result.json, as it is.

        Raises:
            LightloopError: the explain stage has not run.
        """
        found: dict[str, Any] = read_json(self.source.need(self.source.project.explanation_result))
        return found

    @property
    def applies(self) -> bool:
        """Whether there is a method with checks: of a generator the one that looks for copies of training records."""
        return bool(self.content.get("methods"))

    @property
    def noun(self) -> str:
        """What attributions are about: pixels, columns, tokens or steps."""
        return str(self.content.get("noun", "parts"))

    @cached_property
    def methods(self) -> pd.DataFrame:
        """A row a method: whether it passed its checks (`trusted`), why not, and each check's value."""
        rows = [
            {
                "method": name,
                "trusted": method["trusted"],
                "reasons": "; ".join(method["reasons"]),
                **{check: found.get("value") for check, found in method["checks"].items()},
            }
            for name, method in self.content.get("methods", {}).items()
        ]
        return pd.DataFrame(rows).set_index("method") if rows else pd.DataFrame(columns=["trusted", "reasons"])

    def checks(self, method: str | None = None) -> pd.DataFrame:
        """The checks of a method, a row each: value, threshold or what chance reaches, and whether it passed.

        Raises:
            UsageError: there is no such method.
        """
        found = self.content["methods"][self._method(method)]["checks"]
        columns = ["value", "low", "high", "threshold", "random", "passed"]
        rows = [{"check": name, **{key: check.get(key) for key in columns}} for name, check in found.items()]
        return pd.DataFrame(rows).set_index("check")

    @cached_property
    def records(self) -> pd.DataFrame:
        """A row an explained record: label, prediction, why it was chosen (`kind`), probability; by its id."""
        rows = [{k: v for k, v in row.items() if not isinstance(v, dict)} for row in self.content.get("records", [])]
        return pd.DataFrame(rows).set_index("id") if rows else pd.DataFrame()

    @cached_property
    def best(self) -> str:
        """The first method that passed its checks; where none did, the first one.

        Raises:
            LightloopError: nothing was explained.
        """
        if not self.applies:
            raise LightloopError("this run has no attributions: see `run.explanations.content` for the reason")
        trusted = self.methods.index[self.methods["trusted"].astype(bool)]
        return str(trusted[0] if len(trusted) else self.methods.index[0])

    def attributions(self, method: str | None = None) -> NDArray[np.floating[Any]]:
        """Attributions (N, Q), or (N, H, W) of images, in the order of `records`; `method` is by default `best`.

        Raises:
            UsageError: there is no such method, or the run has no attributions.
        """
        self._need_attributions()
        name = self._method(method)
        with np.load(self.source.need(self.source.project.attributions)) as arrays:
            values: NDArray[np.floating[Any]] = arrays[name]
        return values

    def of(self, record: str, method: str | None = None) -> pd.DataFrame:
        """What one record's answer rests on: a row a column, token or step, with its value and attribution.

        Args:
            record: its id, one of `records.index`.
            method: by default `best`.

        Raises:
            UsageError: it was not explained; or it is an image, whose attributions are pixels: see `picture`; or it was
                generated, and rests on no record.
        """
        self._need_attributions()
        if record not in self.records.index:
            some = ", ".join(map(str, self.records.index[:5]))
            raise UsageError(f"{record!r} is not among the {len(self.records)} explained records, such as {some}")
        name = self._method(method)
        row = next((one for one in self._parts if one["id"] == record), None)
        if row is None:
            raise UsageError(
                f"attributions of {record} are {self.noun}: `picture({record!r})` is the file that shows them"
            )
        values = row.get("values") or [None] * len(row["parts"])
        columns = {"part": row["parts"], "value": values, "attribution": row["attributions"][name]}
        return pd.DataFrame(columns)

    def picture(self, record: str, method: str | None = None) -> Path:
        """The picture of an image with its attributions over it, as the report shows it.

        Raises:
            UsageError: there is none.
        """
        row = next((one for one in self.content.get("records", []) if one["id"] == record), None)
        if row is None or "overlays" not in row:
            raise UsageError(f"there is no picture of {record!r}: only explained images have one")
        name = Path(row["overlays"][self._method(method)]).name
        return self.source.need(self.source.project.explanation_images) / name

    def importance(self, method: str | None = None) -> pd.DataFrame:
        """The mean size of attributions over the explained records, a row a column or step, the largest first.

        Empty for images and texts, whose parts differ from record to record.
        """
        rows = self.content["methods"][self._method(method)].get("importance") or []
        frame = pd.DataFrame(rows, columns=["name", "value", "low", "high"]).set_index("name")
        return frame.sort_values("value", ascending=False, kind="stable")

    @cached_property
    def overall(self) -> pd.DataFrame:
        """The model as a whole: mean size of attributions over many records, with intervals and direction."""
        frame = pd.DataFrame(self.further("global").get("features") or [])
        return frame.set_index("name") if len(frame) else frame

    def further(self, name: str) -> Mapping[str, Any]:
        """What else was written, as it is: global, concepts, versions, influence or counterfactuals.

        Raises:
            LightloopError: it was not.
        """
        found: Mapping[str, Any] = read_json(self.source.need(self.source.project.explanation / f"{name}.json"))
        return found

    @cached_property
    def _parts(self) -> list[dict[str, Any]]:
        folder = self.source.need(self.source.project.explanation_images)
        return read_json_or(folder / "records.json", []) or []

    def _need_attributions(self) -> None:
        if OF_SAMPLES in self.content.get("methods", ()):
            raise UsageError(
                "generated samples have no attributions: `records` says which training record lies nearest to each"
            )

    def _method(self, method: str | None) -> str:
        name = method or self.best
        if name not in self.content["methods"]:
            raise UsageError(f"{name!r} did not explain this run: there is {', '.join(self.content['methods'])}")
        return name
