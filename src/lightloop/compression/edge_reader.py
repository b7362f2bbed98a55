"""Answers with an edge file. It needs NumPy and ONNX Runtime, and nothing else: copy this file and the .onnx beside it.

    from edge import Edge
    Edge("edge.onnx").predict([{"age": 31, "town": "Rome"}])

Records: of images arrays of levels 0 to 255, uint8, (height, width) or (height, width, 3), in the size that
`about["input"]` says; of tables dictionaries; texts as they are; of series dictionaries with a list of numbers, the
oldest first, and the date of the last. Pictures are not decoded or scaled here.
"""

import base64
import itertools
import json
import os
import re
import unicodedata
from typing import Any

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is loaded
import onnxruntime as ort

ROUNDING = 1e-5  # probabilities are float32; what lies on an edge is inside


class Edge:
    """A model in one file; `about` is what it says of itself."""

    def __init__(self, path: Any, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        held = self.session.get_modelmeta().custom_metadata_map
        if "lightloop" not in held:
            raise ValueError(f"{path} is no edge file: write one with `lightloop compress --edge FILE`")
        self.about: dict[str, Any] = json.loads(held["lightloop"])
        self.input, self.classes = self.about["input"], self.about["classes"]
        self.rules: dict[str, Any] = self.about["calibration"] or {}
        self.tokens = json.loads(base64.b64decode(held["tokenizer"])) if "tokenizer" in held else {}

    def predict(self, records: Any) -> list[dict[str, Any]]:
        """A dictionary for each record: of classes `label`, `probability`, `probabilities`, `possible`, `level` and
        `abstains`; of numbers `values`, `intervals` (None for an end of which nothing is known) and `level`.
        """
        if not len(records):
            return []
        feeds = getattr(self, f"_{self.input['kind']}")(records)
        names = [output.name for output in self.session.get_outputs()]
        answers = dict(zip(names, self.session.run(names, feeds), strict=True))
        return self._classes(answers["probabilities"]) if self.classes else self._numbers(answers)

    def _image(self, records: Any) -> dict[str, Any]:
        shape = (*self.input["size"], self.input["channels"])
        shape = shape[:2] if shape[2] == 1 else shape
        for number, record in enumerate(records, start=1):
            if np.shape(record) != shape or np.asarray(record).dtype != np.uint8:
                came = f"{np.shape(record)} {np.asarray(record).dtype}"
                raise ValueError(f"record {number} is {came}: expected {shape} uint8")
        pixels = np.stack(records).reshape(len(records), *shape[:2], -1)
        return {"image": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))}

    def _tabular(self, records: Any) -> dict[str, Any]:
        feeds = {}
        for feature in self.input["features"]:
            name, values = feature["name"], [record.get(feature["name"]) for record in records]
            if feature["kind"] != "number":
                feeds[name] = np.array([_category(value) for value in values], object)[:, None]
                continue
            column = np.array([np.nan if value in (None, "") else float(value) for value in values], np.float32)
            if np.isinf(column).any():
                raise ValueError(f"column {name!r} holds an infinite number: expected a finite one, or none")
            feeds[name] = column[:, None]
        return feeds

    def _series(self, records: Any) -> dict[str, Any]:
        steps, clock = self.input["window"], self.input["clock"]
        values = np.full((len(records), steps), np.nan)
        for row, record in enumerate(records):
            known = [np.nan if value is None else value for value in record[self.input["column"]]][-steps:]
            values[row, steps - len(known) :] = known
        if np.isinf(values).any():
            raise ValueError("a series holds an infinite number: expected finite ones, or none for a gap")
        channels = [values]
        if self.input["phase"] or self.input["calendar"]:
            step = int(clock["step"][:-1])
            last = np.array([record[self.input["time"]] for record in records], "datetime64[s]")
            times = last[:, None] - np.arange(steps - 1, -1, -1) * np.timedelta64(step, "s")
            if self.input["phase"]:
                since: Any = times - np.datetime64(clock["anchor"], "s")
                places = since.astype(np.int64) // step
                season = places % clock["season"] / clock["season"]
                channels.append(_share(times, "year") if clock["yearly"] else season)
            for span in self.input["calendar"]:
                channels += [wave(2 * np.pi * _share(times, span)) for wave in (np.sin, np.cos)]
        return {"series": np.stack(channels, axis=2).astype(np.float32)}

    def _text(self, records: Any) -> dict[str, Any]:
        rows = [self._ids(text) for text in records]
        longest = max(map(len, rows))
        return {"ids": np.array([row + [0] * (longest - len(row)) for row in rows], np.int64)}

    def _ids(self, text: str) -> list[int]:
        """Tokens of a text: normalised, divided by a pattern, looked up; an empty text is one unknown token."""
        most, end = self.input["max_length"], self.input["truncation"]
        reach, tail = 64 * most, most // 2
        both = text if len(text) <= 2 * reach else f"{text[:reach]} {text[-reach:]}"
        text = {"head": text[:reach], "tail": text[-reach:], "both": both}[end]
        for name, *how in self.tokens["normalise"]:
            if name == "replace":
                text = how[1].join(re.split(how[0], text))
            elif name == "lowercase":
                text = "".join(letter.lower() for letter in text)
            elif name == "strip":
                text = "".join(letter for letter in text if unicodedata.category(letter)[0] != "M")
            else:
                text = unicodedata.normalize(name, text)
        ids = [code for word in re.findall(self.tokens["pattern"], text) for code in self._word(word)] or [1]
        if len(ids) <= most:
            return ids
        return {"head": ids[:most], "tail": ids[-most:], "both": ids[: most - tail] + ids[len(ids) - tail :]}[end]

    def _word(self, word: str) -> list[int]:
        """A word's code, or those of its parts: of neighbours those are joined that training joined first."""
        codes, merges = self.tokens["vocabulary"], self.tokens["merges"]
        if merges is None:
            return [codes.get(word, 1)]
        parts: list[str] = []  # letters; unknown ones are empty, and several of them one
        for letter in word:
            parts += [letter] if letter in codes else [""] if not parts or parts[-1] else []
        while True:
            ranks = [merges.get(f"{a} {b}", np.inf) if a and b else np.inf for a, b in itertools.pairwise(parts)]
            if min(ranks, default=np.inf) == np.inf:
                return [codes[part] if part else 1 for part in parts]
            place = ranks.index(min(ranks))
            parts[place : place + 2] = ["".join(parts[place : place + 2])]

    def _conformal(self) -> tuple[str, float | None, Any]:
        """Score, level, and quantiles of the first level; infinite where nothing is known."""
        found = self.rules.get("conformal")
        if not found:
            return "lac", None, np.array([np.inf])
        quantiles = [np.inf if one is None else one for one in found["levels"][0]["quantiles"]]
        return found["score"], found["levels"][0]["level"], np.array(quantiles)

    def _classes(self, p: Any) -> list[dict[str, Any]]:
        exact, rule, abstain = p.astype(float), self.rules.get("decision", {}), self.rules.get("abstain", {})
        codes = p.argmax(1)
        if rule.get("name") == "threshold":
            codes = np.where(exact[:, rule["positive"]] >= rule["threshold"], rule["positive"], 1 - rule["positive"])
        elif rule.get("name") == "costs":
            codes = (exact @ np.array(rule["costs"])).argmin(1)
        score, level, quantiles = self._conformal()
        scores = 1 - exact
        if score == "aps":
            order = np.argsort(-exact, axis=1, kind="stable")
            np.put_along_axis(scores, order, np.take_along_axis(exact, order, 1).cumsum(1), 1)
        sets, chosen = scores <= quantiles + ROUNDING, p[np.arange(len(p)), codes]
        unsure = {"set": sets.sum(1) != 1, "accuracy": chosen < abstain.get("limit", 0.0) - ROUNDING}
        abstains = unsure.get(abstain.get("name"), np.zeros(len(p), bool))
        return [
            {
                "label": self.classes[code],
                "probability": float(p[row, code]),
                "probabilities": dict(zip(self.classes, p[row].tolist(), strict=True)),
                "possible": [name for name, inside in zip(self.classes, sets[row], strict=True) if inside],
                "level": level,
                "abstains": bool(abstains[row]),
            }
            for row, code in enumerate(codes)
        ]

    def _numbers(self, answers: dict[str, Any]) -> list[dict[str, Any]]:
        values = answers["prediction"]
        score, level, quantiles = self._conformal()
        around = answers["quantiles"][:, :, [0, -1]] if score == "cqr" else np.stack([values, values], 2)
        ends = around.astype(float) + np.array([-1.0, 1.0]) * quantiles[:, None]
        ends = np.where(ends[..., :1] > ends[..., 1:], ends.mean(2, keepdims=True), ends)
        known = [[[end if np.isfinite(end) else None for end in one] for one in row] for row in ends.tolist()]
        rows = zip(values.tolist(), known, strict=True)
        return [{"values": row, "intervals": intervals, "level": level} for row, intervals in rows]


def _category(value: Any) -> str:
    """A category as text: whole numbers without a decimal point, missing ones empty."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _share(times: Any, span: str) -> Any:
    """The place in a year, month, week or day, 0 to 1."""
    if span in ("year", "month"):
        start = times.astype(f"datetime64[{span[0].upper()}]")
        begin, end = start.astype("datetime64[s]"), (start + 1).astype("datetime64[s]")
        return (times - begin).astype(float) / (end - begin).astype(float)
    length, shift = (604800, 259200) if span == "week" else (86400, 0)
    return (times.astype(np.int64) + shift) % length / length
