"""A gate that fits a problem, for configs that tests build from those of another."""

METRIC = {"classification": "accuracy", "regression": "rmse", "forecasting": "rmse", "generation": "frechet"}


def gate_of(problem: str) -> dict:
    """What decides, and no bounds."""
    return {"metric": METRIC[problem], "bounds": {}, "further": {}}
