"""What the learning tests train: data set by name (see `learning_worlds`), and what differs from its plain config.

Together the configs of these cases choose every name of the catalogue that a training can choose; a test counts.
"""

from typing import Any

Groups = dict[str, dict[str, Any]]
# Stand for files that the test writes: of the network's weights, and of a timm backbone's.
START, BACKBONE = "<weights of the same network>", "<weights of the same backbone>"
CUSTOM = {"name": "custom", "target": "torch.nn:CrossEntropyLoss", "arguments": {"label_smoothing": 0.1}}


def cnn(**options: Any) -> dict[str, Any]:
    return {"name": "cnn", "channels": (12, 24), "dropout": 0.0} | options


def mlp(**options: Any) -> dict[str, Any]:
    return {"name": "mlp", "hidden": (24,), "dropout": 0.0} | options


# One of each kind of data, in the fast tier.
FAST: list[tuple[str, Groups]] = [
    (
        "images",
        {
            "network": cnn(activation="relu", normalisation="batch", initialisation="default"),
            "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
            "optimizer": {"name": "sgd", "lr": 0.1},
            "augment": {"name": "image", "flip": False, "mixup": 0.2},
            "trainer": {"precision": "32"},
        },
    ),
    (
        "several_heads",
        {
            "augment": {"name": "image", "flip": False, "mixup": 0.2, "cutmix": 1.0, "mixed": 0.3},
            "trainer": {"max_epochs": 60},
        },
    ),
    (
        "table",
        {
            "preprocess": {"missing": "median", "scale": "standard", "categories": "one_hot"},
            "augment": {"name": "tabular", "noise": 0.05},
            "balance": {"name": "weighted_sampler"},
        },
    ),
    ("texts", {"augment": {"name": "text", "dropout": 0.15}}),
    ("series", {"augment": {"name": "series", "jitter": 0.01}, "preprocess": {"scale": "standard"}}),
]

IMAGES: list[tuple[str, Groups]] = [
    (
        "images",
        {
            "network": cnn(activation="leaky_relu", normalisation="layer", initialisation="kaiming"),
            "loss": {"name": "focal"},
            "optimizer": {"name": "adam", "lr": 0.03},
            "scheduler": {"name": "step", "drops": 1},
            "average": {"name": "ema", "decay": 0.9},
            "trainer": {"gradient_clip_val": 1.0, "max_epochs": 120},
        },
    ),
    (
        "images",
        {
            "network": cnn(activation="elu", normalisation="group", initialisation="kaiming_uniform"),
            "loss": {"name": "hinge"},
            "scheduler": {"name": "cosine", "warmup": 0.1},
            "average": {"name": "swa", "start": 0.6},
        },
    ),
    (
        "images",
        {
            "network": {"name": "resnet", "channels": (12, 24), "blocks": 1, "activation": "silu"}
            | {"initialisation": "xavier", "dropout": 0.0},
            "loss": CUSTOM,
            "optimizer": {"name": "rmsprop", "lr": 0.005},
            "scheduler": {"name": "one_cycle"},
            "augment": {"name": "image", "flip": True, "shift": 1, "rotate": 5, "crop": 0.9},
        },
    ),
    (
        "images",
        {
            "network": {"name": "resnet", "channels": (12, 24), "blocks": 1, "activation": "mish"}
            | {"initialisation": "xavier_normal", "dropout": 0.0},
            "optimizer": {"name": "adagrad", "lr": 0.05},
            "scheduler": {"name": "plateau", "warmup": 0.1},
            "augment": {"name": "image", "flip": False, "cutmix": 1.0, "mixed": 0.5},
        },
    ),
    (
        "images",
        {
            "network": cnn(activation="gelu", initialisation="orthogonal"),
            "optimizer": {"name": "torch_optim", "optimizer": "NAdam", "lr": 0.01},
            "augment": {"name": "image", "flip": False, "brightness": 0.2, "contrast": 0.2, "erase": 0.2},
            "trainer": {"deterministic": True, "detect_anomaly": True},
        },
    ),
    (
        "images",
        {
            "network": mlp(activation="selu", initialisation="truncated_normal"),
            "optimizer": {"name": "lbfgs", "max_iter": 5},
            "trainer": {"batch_size": 60, "max_epochs": 15},
        },
    ),
    (
        "images",
        {
            "network": cnn(activation="tanh"),
            "trainer": {
                "accumulate_grad_batches": 3,
                "precision": "bf16",
                "l1": 0.0001,
                "l2": 0.0001,
                "max_epochs": 60,
            },
        },
    ),
    ("images", {"network": cnn(dropout=0.05), "trainer": {"lr_find": True, "precision": "auto", "max_epochs": 100}}),
    ("images", {"debug": {"name": "overfit"}, "trainer": {"max_epochs": 60}}),
    ("images", {"debug": {"name": "limit", "train": 2, "validation": 1}, "trainer": {"max_epochs": 60}}),
    ("images", {"debug": {"name": "profile"}}),
    ("images", {"trainer": {"compile": True}}),
    (
        "images",
        {
            "network": cnn(weights=START, fresh=("head",)),
            "trainer": {"freeze": ("stages",), "unfreeze_every": 5, "layer_decay": 0.9, "max_epochs": 40},
        },
    ),
    (
        "images",
        {
            "network": {"name": "timm", "backbone": "test_resnet", "pretrained": BACKBONE, "size": 48}
            | {"freeze": ("backbone.model.conv1",), "dropout": 0.0},
        },
    ),
    ("colours", {"augment": {"name": "image", "flip": False, "saturation": 0.3}, "loss": {"name": "binary"}}),
]

TABLES: list[tuple[str, Groups]] = [
    (
        "table",
        {
            "data": {"split": {"policy": "random", "test": 0.2, "validation": 0.2}},
            "network": mlp(activation="sigmoid"),
            "preprocess": {"missing": "mean", "selection": "mutual_information", "selected": 0.8, "rare": 0.05},
            "balance": {"name": "class_weights"},
        },
    ),
    (
        "table",
        {
            "network": {"name": "tabular", "numbers": "piecewise", "embedding": 8, "bins": 6, "hidden": (16,)}
            | {"activation": "softplus", "dropout": 0.0},
            "preprocess": {"missing": "median", "scale": "quantile", "categories": "ordinal"}
            | {"outliers": "z_score", "outlier_action": "clip"},
            "augment": {"name": "tabular", "swap": 0.05},
            "optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.05},
        },
    ),
    (
        "table",
        {
            "network": {"name": "tabular", "numbers": "periodic", "embedding": 8, "frequencies": 6, "hidden": (16,)}
            | {"dropout": 0.0},
            "preprocess": {"missing": "mode", "scale": "min_max", "categories": "embedding"}
            | {"outliers": "iqr", "outlier_action": "flag"},
            "balance": {"name": "oversample"},
            "scheduler": {"name": "cosine"},
            "trainer": {"max_epochs": 60},
        },
    ),
    (
        "table",
        {
            "network": {"name": "ft_transformer", "width": 16, "blocks": 1, "heads": 2, "dropout": 0.0},
            "preprocess": {"missing": "constant", "constant": -7.0, "scale": "robust", "selection": "variance"},
            "balance": {"name": "undersample"},
            "trainer": {"max_epochs": 40},
        },
    ),
    (
        "table",
        {
            "network": {"name": "tabular", "numbers": "linear", "embedding": 8, "hidden": (16,), "dropout": 0.0},
            "preprocess": {"missing": "knn", "categories": "hashing", "buckets": 4, "selection": "l1"},
            "clean": {"outliers": "isolation_forest", "duplicates": "near"},
        },
    ),
    (
        "table",
        {
            "preprocess": {"missing": "iterative", "rounds": 2, "selection": "recursive", "selected": 0.9}
            | {"log": ("age",), "extraction": "pca", "components": 4},
            "clean": {"outliers": "iqr", "duplicates": "exact"},
        },
    ),
    (
        "table",
        {
            "preprocess": {"outliers": "isolation_forest", "outlier_action": "flag", "selection": "model"}
            | {"extraction": "lda", "components": 1},
            "clean": {"missing": "drop", "outliers": "z_score"},
        },
    ),
    ("prices", {"loss": {"name": "mse"}, "network": mlp(normalisation="none")}),
]

TEXTS: list[tuple[str, Groups]] = [
    (
        "texts",
        {
            "preprocess": {
                "vocabulary": "word",
                "normalise": ("nfkc", "lowercase", "urls", "emails"),
                "truncation": "head",
            },
            "network": {"name": "embedding_bag", "width": 8, "buckets": 0, "hidden": (8,), "pooling": ("mean", "max")}
            | {"dropout": 0.0},
        },
    ),
    (
        "texts",
        {
            "preprocess": {
                "vocabulary": "bpe",
                "size": 120,
                "normalise": ("strip_accents", "numbers"),
                "truncation": "tail",
            },
            "network": {"name": "embedding_bag", "width": 8, "buckets": 64, "hidden": (8,), "dropout": 0.0}
            | {"pooling": ("attention", "sqrtn")},
            "augment": {"name": "text", "dropout": 0.0, "swap": 0.1},
            "balance": {"name": "oversample"},
        },
    ),
    (
        "texts",
        {
            "preprocess": {"vocabulary": "char", "normalise": ("digits",), "truncation": "both", "max_length": 60},
            "network": {"name": "tcn", "channels": (12, 16), "embedding": 8, "pooling": "mean", "dropout": 0.0},
            "trainer": {"max_epochs": 60},
        },
    ),
    (
        "texts",
        {"network": {"name": "gru", "hidden": 8, "layers": 1, "embedding": 8, "dropout": 0.0, "pooling": "last"}},
    ),
    (
        "texts",
        {"network": {"name": "lstm", "hidden": 8, "layers": 1, "embedding": 8, "dropout": 0.0, "pooling": "attention"}},
    ),
    (
        "texts",
        {
            "network": {"name": "transformer", "width": 16, "blocks": 1, "heads": 2, "hidden": 32, "dropout": 0.0}
            | {"positions": "sinusoidal"},
        },
    ),
]

SERIES: list[tuple[str, Groups]] = [
    (
        "series",
        {
            "preprocess": {"missing": "linear", "detrend": "last_value", "calendar": ("year", "month")},
            "loss": {"name": "mse"},
            "augment": {"name": "series", "scaling": 0.02},
        },
    ),
    (
        "series",
        {
            "preprocess": {"missing": "seasonal", "decompose": "stl", "scale": "min_max", "calendar": ("week", "day")}
            | {"indicator": True},
            "network": {"name": "inception_time", "filters": 4, "depth": 2, "kernels": (5, 3), "dropout": 0.0},
            "augment": {"name": "series", "warp": 0.05},
        },
    ),
    (
        "series",
        {
            "preprocess": {"missing": "forward", "decompose": "classical", "scale": "robust"},
            "network": {"name": "transformer", "width": 16, "blocks": 1, "heads": 2, "hidden": 32, "dropout": 0.0}
            | {"positions": "learned"},
            "loss": {"name": "mae"},
        },
    ),
    (
        "series",
        {
            "preprocess": {"smoothing": "exponential", "detrend": "linear"},
            "network": {"name": "rnn", "hidden": 16, "layers": 1, "dropout": 0.0, "pooling": "last"},
            "loss": {"name": "quantile"},
        },
    ),
    ("series", {"preprocess": {"smoothing": "moving_average", "span": 2, "detrend": "none", "difference": 1}}),
]

CASES = [*FAST, *IMAGES, *TABLES, *TEXTS, *SERIES]

# Of the generator: loss, the discriminator's norm, its penalty.
GANS = [
    ("logistic", "batch", "none"),
    ("hinge", "spectral", "none"),
    ("logistic", "none", "r1"),
    ("wasserstein", "none", "gradient"),
]
# Made of several trainings of a small table.
SEVERAL: list[Groups] = [{"ensemble": {"name": name}} for name in ("mean", "voting", "weighted", "stacking")] + [
    {"ensemble": {"name": "snapshots", "count": 2}},
    {"semi": {"name": "pseudo_labels", "threshold": 0.8, "rounds": 1}},
]
# Sampler and pruner.
SWEEPS = [
    ("random", "none"),
    ("grid", "none"),
    ("tpe", "median"),
    ("gp", "hyperband"),
    ("cmaes", "none"),
    ("nsga2", "none"),
]
