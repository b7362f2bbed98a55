"""Drift of each column by Evidently's preset, of two Parquet files. Runs in an environment with Evidently and pandas 2.

    python evidently_drift.py REFERENCE CURRENT

Prints a JSON line: seconds and processor seconds from the files to the report, and the share of drifted columns.
"""

import json
import sys
import time

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

began, cpu = time.perf_counter(), time.process_time()
reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
numbers = [name for name in reference if pd.api.types.is_numeric_dtype(reference[name])]
definition = DataDefinition(numerical_columns=numbers, categorical_columns=[n for n in reference if n not in numbers])
datasets = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
found = Report([DataDriftPreset()]).run(*datasets).dict()
seconds, worked = time.perf_counter() - began, time.process_time() - cpu
drifted = next(one["value"]["share"] for one in found["metrics"] if "share" in (one.get("value") or {}))
print(json.dumps({"seconds": seconds, "cpu": worked, "drifted": drifted}))
