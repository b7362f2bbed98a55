"""Predictions as the service says them in JSON."""

import base64
from typing import Any

from lightloop.serving.predictions import AnyPrediction, NumberPrediction, Prediction, Sample
from lightloop.serving.predictor import Predictor


def as_json(predictor: Predictor, prediction: AnyPrediction) -> dict[str, Any]:
    """One prediction, without its id."""
    match prediction:
        case Prediction():
            return {
                "label": prediction.label,
                "probability": prediction.probability,
                "probabilities": dict(zip(predictor.classes, prediction.probabilities, strict=True)),
                "possible": prediction.possible,
                "level": prediction.level,
                "abstains": prediction.abstains,
                "novelty": _novelty(prediction),
                "warnings": prediction.warnings,
            }
        case NumberPrediction():
            return {
                "values": prediction.values,
                "intervals": prediction.intervals,
                "level": prediction.level,
                "novelty": _novelty(prediction),
                "warnings": prediction.warnings,
            }
        case Sample():
            return {"image": base64.b64encode(prediction.png()).decode(), "warnings": prediction.warnings}


def _novelty(prediction: Prediction | NumberPrediction) -> dict[str, Any] | None:
    found = prediction.novelty
    return None if found is None else {"score": found.score, "p_value": found.p_value, "novel": found.novel}
