"""Methods that are chosen by a setting inside of a group, such as `network.activation=gelu`: where, and what each is.

The names come from the schema; a test keeps the sentences complete.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Methods:
    """One kind of method.

    Attributes:
        keys: settings that choose one. A setting without names of its own is a method itself; `augment.*` stands for
            every setting of the group.
        meanings: what each is, in a sentence.
    """

    keys: tuple[str, ...]
    meanings: dict[str, str]


# Names that switch a kind of method off, or on and off, and are no method.
NO_METHOD: Final = ("none", "keep")

# of feature: sequences
POOLED_TEXTS: Final[dict[str, str]] = {}
# end
# of feature: text
POOLED_TEXTS["max"] = "The highest of each number over the steps."
POOLED_TEXTS["sqrtn"] = "The sum over the root of the number of steps."
# end
METHODS: Final[dict[str, Methods]] = {
    "split": Methods(
        ("data.split.policy", "data.split.test"),
        {
            "stratified": "Shares in which each class stands as often as in the whole.",
            "group": "Whole groups together, so that no group straddles a split.",
            "time": "The latest records are held out; a forecast's windows never share a target with training.",
            "random": "Shares that are drawn just so.",
            "predefined": "The files of the data spec say which records are held out.",
        },
    ),
    "missing": Methods(
        ("clean.missing", "preprocess.missing", "preprocess.indicator"),
        {
            "drop": "Training records with a missing value are left out.",
            # of feature: tabular
            "mean": "The mean of the column.",
            "median": "The median of the column.",
            "mode": "The most frequent value of the column.",
            "constant": "The number `preprocess.constant`.",
            "knn": "The mean of the nearest training records that have a value.",
            "iterative": "Each column is predicted from the others, in rounds (MICE).",
            # end
            # of feature: series
            "linear": "A line between the neighbours.",
            "seasonal": "A line between the neighbours after the season was taken out.",
            "forward": "The last value that was known.",
            # end
            "indicator": "A further column or channel says what was missing.",
        },
    ),
    "outlier": Methods(
        ("clean.outliers", "preprocess.outliers", "preprocess.outlier_action"),
        {
            "z_score": "Farther from the mean than so many deviations.",
            "iqr": "Farther outside the quartiles than so many times their distance.",
            "isolation_forest": "Whole records that a forest of random cuts sets apart early.",
            "clip": "What is found is set to the limit; to leave it out say clean.outliers instead.",
            "flag": "What is found gets a column that says so.",
        },
    ),
    "duplicate": Methods(
        ("clean.duplicates",),
        {
            "exact": "Of training records with the same features the first is kept.",
            "near": "The same, or nearly: rounded to `clean.digits` digits, correlated pixels or steps, like phrases.",
        },
    ),
    "scaling": Methods(
        ("preprocess.scale", "preprocess.log"),
        {
            "standard": "Mean 0 and deviation 1.",
            "min_max": "From the lowest and the highest training value to a chosen range.",
            "robust": "By median and distance of the quartiles.",
            "quantile": "By rank.",
            "log": "log(1 + x) of the columns that are named.",
        },
    ),
    "category": Methods(
        ("preprocess.categories", "preprocess.rare"),
        {
            "one_hot": "A column of 0 and 1 for each category.",
            "embedding": "A code, for which the network learns a vector.",
            "hashing": "Spread over `preprocess.buckets` columns by a hash.",
            "ordinal": "The place of the category as one number.",
            "rare": "Categories with a smaller share share a bucket with unknown ones.",
        },
    ),
    "selection": Methods(
        ("preprocess.selection",),
        {
            "variance": "Columns that vary more than `preprocess.min_variance`.",
            "mutual_information": "Columns that say most about the target, each by itself.",
            "recursive": "The weakest column of a linear model is left out again and again.",
            "l1": "Columns that a linear model with an L1 penalty keeps.",
            "model": "Columns that a forest of trees finds most important.",
        },
    ),
    "extraction": Methods(
        ("preprocess.extraction",),
        {
            "pca": "Principal components.",
            "lda": "Linear discriminants, of classes.",
        },
    ),
    # of feature: text
    "text_normalisation": Methods(
        ("preprocess.normalise",),
        {
            "nfkc": "One form for what Unicode writes in several.",
            "lowercase": "Small letters.",
            "strip_accents": "Letters without their accents.",
            "urls": "Each web address becomes one token.",
            "emails": "Each mail address becomes one token.",
            "numbers": "Each number becomes one token.",
            "digits": "Each digit becomes 0.",
        },
    ),
    "vocabulary": Methods(
        ("preprocess.vocabulary",),
        {
            "word": "Words and single marks.",
            "bpe": "Parts of words by byte-pair encoding.",
            "char": "Single characters.",
        },
    ),
    "truncation": Methods(
        ("preprocess.truncation",),
        {
            "head": "The beginning of a long text is kept.",
            "tail": "The end of a long text is kept.",
            "both": "Half of each is kept.",
        },
    ),
    # end
    # of feature: series
    "series_step": Methods(
        ("preprocess.decompose", "preprocess.smoothing", "preprocess.detrend", "preprocess.difference"),
        {
            "stl": "The seasonal profile of the training series by STL is taken out.",
            "classical": "The seasonal profile of the training series by moving averages is taken out.",
            "moving_average": "The mean of the last `preprocess.span` steps.",
            "exponential": "A mean in which earlier steps count less and less.",
            "last_value": "The last value of a window is taken out.",
            "linear": "A line through each window is taken out.",
            "difference": "Each step minus the one before, so many times.",
        },
    ),
    "calendar": Methods(
        ("preprocess.calendar",),
        {
            "year": "Sine and cosine of the place in the year.",
            "month": "Sine and cosine of the place in the month.",
            "week": "Sine and cosine of the place in the week.",
            "day": "Sine and cosine of the place in the day.",
        },
    ),
    # end
    "augmentation": Methods(
        ("augment.*",),
        {
            # of feature: image
            "flip": "Half of the images are mirrored.",
            "shift": "Images move by up to so many pixels.",
            "rotate": "Images turn by up to so many degrees.",
            "crop": "A part of the image is scaled up to the whole.",
            "brightness": "Images become darker or brighter.",
            "contrast": "Levels move towards their mean or away from it.",
            "saturation": "Colours become paler or stronger.",
            "erase": "A square of the image is greyed.",
            "mixup": "Two images and their targets are blended.",
            "cutmix": "A rectangle of another image, with its share of the targets.",
            # end
            # of feature: series
            "jitter": "Noise on each step of a series.",
            "scaling": "A series is stretched about its mean.",
            "warp": "Time runs faster and slower within a series.",
            # end
            # of feature: tabular
            "noise": "Noise on the numbers of a table.",
            # end
            "swap": "Values are swapped between records of a table, or tokens of a text with their neighbours.",
            # of feature: text
            "dropout": "Tokens become unknown.",
            # end
        },
    ),
    "activation": Methods(
        ("network.activation",),
        {
            "relu": "max(x, 0).",
            "leaky_relu": "x, or a hundredth of it below 0.",
            "elu": "x, or exp(x) - 1 below 0.",
            "selu": "ELU, scaled so that layers keep mean and deviation.",
            "gelu": "x times the normal distribution's share below x.",
            "silu": "x times its sigmoid.",
            "mish": "x times tanh(softplus(x)).",
            "tanh": "The hyperbolic tangent, -1 to 1.",
            "sigmoid": "The logistic function, 0 to 1.",
            "softplus": "log(1 + exp(x)).",
        },
    ),
    "normalisation": Methods(
        ("network.normalisation",),
        {
            "batch": "By mean and deviation over the batch, of each channel.",
            "layer": "By mean and deviation of each record, or step, by itself.",
            "group": "By mean and deviation of groups of channels of each record.",
        },
    ),
    "initialisation": Methods(
        ("network.initialisation",),
        {
            "default": "As the layers of PyTorch draw it.",
            "kaiming": "Normal, of the deviation that keeps activations' size (He et al.).",
            "kaiming_uniform": "The same, uniform.",
            "xavier": "Uniform, by inputs and outputs of a layer (Glorot and Bengio).",
            "xavier_normal": "The same, normal.",
            "orthogonal": "Orthogonal matrices.",
            "truncated_normal": "Normal of deviation 0.02, cut at 2.",
        },
    ),
    # of feature: sequences
    "pooling": Methods(
        ("network.pooling",),
        {
            "mean": "The mean over the steps.",
            "last": "The last step, of each direction.",
            "attention": "A mean weighted by learned scores.",
            **POOLED_TEXTS,
        },
    ),
    # end
    "number_embedding": Methods(
        ("network.numbers",),
        {
            "piecewise": "How far a number has come through each bin.",
            "periodic": "Cosines and sines at learned frequencies.",
            "linear": "A linear layer for each column.",
        },
    ),
    "position": Methods(
        ("network.positions",),
        {
            "sinusoidal": "Waves of many lengths.",
            "learned": "A learned vector for each place.",
        },
    ),
    # of feature: generation
    "gan_loss": Methods(
        ("task.loss",),
        {
            "logistic": "Cross-entropy in the form that does not saturate.",
            "hinge": "Margins of 1.",
            "wasserstein": "The difference of the mean scores.",
        },
    ),
    "gan_norm": Methods(
        ("task.norm",),
        {
            "spectral": "Each weight of the discriminator over its largest singular value.",
            "batch": "Batch normalisation of the discriminator.",
        },
    ),
    "gan_penalty": Methods(
        ("task.penalty",),
        {
            "r1": "On the discriminator's gradient at real images.",
            "gradient": "On its distance from length 1 between real images and fakes (WGAN-GP).",
        },
    ),
    # end
    "regularisation": Methods(
        ("trainer.l1", "trainer.l2", "optimizer.weight_decay", "network.dropout", "trainer.gradient_clip_val"),
        {
            "l1": "The sum of absolute weights is added to the loss; with l2 it is the elastic net's penalty.",
            "l2": "The sum of squared weights is added to the loss.",
            "weight_decay": "Weights shrink in each step, biases and norms not; decoupled from the gradient in AdamW.",
            "dropout": "Numbers inside of the network become 0 at random.",
            "gradient_clip_val": "Gradients are cut to a length, or each of their numbers to a bound.",
        },
    ),
    "transfer": Methods(
        (
            "network.weights",
            # of feature: image
            "network.pretrained",
            # end
            "network.fresh",
            "network.freeze",
            "trainer.freeze",
            "trainer.unfreeze_every",
            "trainer.layer_decay",
        ),
        {
            "weights": "Pretrained weights of the whole network from a local file.",
            # of feature: image
            "pretrained": "Those of a timm backbone: `hub`, or a local file.",
            # end
            "fresh": "Parts that do not take their weights from the file.",
            "freeze": "Parts that are not trained, or not from the first epoch on.",
            "unfreeze_every": "Frozen parts are freed one after the other, after so many epochs each.",
            "layer_decay": "The factor on the rate from each layer to the one below it (discriminative rates).",
        },
    ),
    "switch": Methods(
        (
            "trainer.accumulate_grad_batches",
            "trainer.precision",
            "trainer.lr_find",
            "trainer.compile",
            "trainer.deterministic",
            "trainer.detect_anomaly",
        ),
        {
            "accumulate_grad_batches": "Gradients of so many batches make one step.",
            "auto": "bf16 where the processor multiplies it in hardware, else float32.",
            "32": "Float32 throughout.",
            "bf16": "Mixed precision: bf16 where it is safe, float32 elsewhere.",
            "lr_find": "The rate at which the loss falls fastest is looked for before the training.",
            "compile": "torch.compile on the network.",
            "deterministic": "Operations that could answer differently each time are refused.",
            "detect_anomaly": "The operation whose gradient is no number is named.",
        },
    ),
    # of feature: sweeps
    "query": Methods(
        ("label-next --method",),
        {
            "margin": "The two most probable classes are closest.",
            "entropy": "The probabilities are spread most.",
            "least_confidence": "The most probable class is least probable.",
        },
    ),
    # end
}
