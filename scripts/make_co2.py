"""Weekly means of atmospheric carbon dioxide at Mauna Loa, 1958-03-29 to 2001-12-29, from CSV to Parquet.

Source: C. D. Keeling and T. P. Whorf, Carbon Dioxide Information Analysis Center (CDIAC), Oak Ridge National
Laboratory, by way of the data set `co2` of the PyPI package statsmodels; public domain. Weeks without a measurement
stay: their value is null. The same input gives the same bytes.

    python scripts/make_co2.py co2-weekly.csv data/co2

The input has the columns `week` (the Saturday that ends it) and `co2` (parts per million by volume).
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

SCHEMA = pa.schema([("week", pa.date32()), ("co2", pa.float64())])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    options = pc.ConvertOptions(column_types=SCHEMA, null_values=[""])
    table = pc.read_csv(arguments.source, convert_options=options).sort_by("week")
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "co2.parquet"
    pq.write_table(table, path, compression="zstd")
    print(f"{path}: {table.num_rows} weeks, {table.column('co2').null_count} without a value")


if __name__ == "__main__":
    main()
