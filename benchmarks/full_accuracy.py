"""Test accuracy on the full 60,000/10,000 split of Fashion-MNIST, of the default network or of another one.

    python benchmarks/full_accuracy.py FOLDER [resnet] [seeds=42,43,44,45,46] [split=validation] [OVERRIDES...]

FOLDER holds fashion-train.parquet and fashion-test.parquet (docs/data.md says where they come from). A tenth of the
training file is for validation. The word `resnet` stands for the settings RESNET below. Published for comparison: 0.925
for a two-convolution CNN under 100 K parameters, 0.943 for four convolutions with batch normalisation and augmentation,
0.949 for a ResNet-18.
"""

import sys
from pathlib import Path

import numpy as np
from _common import find_project, interval, read_words, train

from lightloop.data.records import label_codes

DEFAULT = ("trainer.batch_size=256", "trainer.max_epochs=30", "trainer.patience=30")
# Narrow where the image is large, which is where the time goes: 1.2 M parameters.
RESNET = (
    "network=resnet",
    "network.channels=[16,64,128,256]",
    "network.blocks=1",
    "optimizer=sgd",
    "optimizer.lr=0.1",
    "trainer.batch_size=128",
    "trainer.max_epochs=22",
    "trainer.patience=22",
)


def main() -> None:
    folder, *rest = sys.argv[1:]
    settings = RESNET if "resnet" in rest else DEFAULT
    words = read_words([word for word in rest if word != "resnet"])
    data = (
        f"data.path={Path(folder).resolve()}",
        "data.files.train=fashion-train.parquet",
        "data.files.test=fashion-test.parquet",
    )
    found = []
    for seed in words.seeds:
        trained = train(find_project(), seed, (*data, *settings, *words.overrides))
        asked = trained.splits[words.split]
        predicted_N = trained.model.answers(asked)["probabilities"].argmax(1)
        labels_N = label_codes(asked["label"].to_pylist(), trained.config.data.classes)
        found.append(float(np.mean(predicted_N == labels_N)))
        print(
            f"seed {seed}: accuracy {found[-1]:.4f} ({words.split}), {trained.summary['parameters']:,} parameters, "
            f"{trained.seconds:.0f} s of training",
            flush=True,
        )
    print(f"mean {interval(found, digits=4)} over seeds {words.seeds}")


if __name__ == "__main__":
    main()
