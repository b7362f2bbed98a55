"""The metrics once more, by torchmetrics and scikit-learn, and the kinds of records on which all must agree."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
    roc_auc_score,
)
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_calibration_error,
    multiclass_cohen_kappa,
    multiclass_f1_score,
    multiclass_matthews_corrcoef,
    multiclass_precision,
    multiclass_recall,
)

CASES = ("usual", "ties", "absent class", "never predicted", "two classes", "one record", "one class", "sure", "small")


def records_of(name, seed=0):
    """Labels (N,) and probabilities (N, K), float32, of one kind of records."""
    generator = np.random.default_rng(seed)
    records, classes = {"two classes": (90, 2), "one record": (1, 4), "small": (7, 5)}.get(name, (120, 5))
    labels = generator.integers(classes, size=records)
    logits = generator.normal(size=(records, classes))
    logits[np.arange(records), labels] += 1
    if name == "absent class":
        labels[labels == 2] = 3
    if name == "never predicted":
        logits[:, 1] -= 20
    if name == "one class":
        labels[:] = 1
    if name == "sure":
        logits *= 60
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    if (
        name == "ties"
    ):  # multiples of 1/8 that sum to 1: equal scores within and between records, also for the first place
        probabilities = generator.multinomial(8, probabilities) / 8
    return labels, probabilities.astype(np.float32)


@pytest.fixture(params=CASES)
def case(request):
    """Each kind of records in turn."""
    return records_of(request.param)


@pytest.fixture(scope="session")
def make_case():
    """Records of the kind that a test names."""
    return records_of


@pytest.fixture(scope="session")
def expected_scores():
    """Every metric of labels and probabilities by the libraries."""
    return scores_by_libraries


@pytest.fixture(scope="session")
def expected_class_scores():
    """Precision, recall and F1 of each class by scikit-learn."""
    return class_scores_by_library


def scores_by_libraries(labels, probabilities):
    """None where a metric is undefined."""
    classes = probabilities.shape[1]
    predictions = probabilities.argmax(1)
    truth, answers, scores = torch.tensor(labels), torch.tensor(predictions), torch.tensor(probabilities)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    # With a confidence of exactly 1 torchmetrics opens a sixteenth bin: the last one of fifteen shall hold it.
    below_one = np.minimum(probabilities, np.nextafter(np.float32(1), np.float32(0)))
    areas = [
        roc_auc_score(labels == k, probabilities[:, k]) for k in range(classes) if 0 < (labels == k).sum() < len(labels)
    ]
    means = of_two_libraries(labels, probabilities)
    accuracy = accuracy_score(labels, predictions)
    assert multiclass_accuracy(answers, truth, classes, average="micro").item() == np.float32(accuracy)
    f1 = multiclass_f1_score(answers, truth, classes, average="macro").item()
    np.testing.assert_allclose(f1, f1_score(labels, predictions, average="macro", zero_division=0), atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        likelihood = log_loss(labels, np.clip(exact, np.finfo(np.float32).eps, None), labels=range(classes))
    assert torch.equal(scores.argmax(1), answers)
    return {
        "accuracy": accuracy,
        **means,
        "macro_f1": f1,
        "auroc": float(np.mean(areas)) if areas else None,
        "log_loss": likelihood,
        "brier": brier_score_loss(labels, exact, labels=range(classes), scale_by_half=False),
        "ece": multiclass_calibration_error(torch.tensor(below_one), truth, classes, n_bins=15).item(),
    }


def of_two_libraries(labels, probabilities):
    """The metrics by scikit-learn, after torchmetrics has said the same; where neither has a value for "undefined"."""
    classes = probabilities.shape[1]
    predictions = probabilities.argmax(1)
    truth, answers, scores = torch.tensor(labels), torch.tensor(predictions), torch.tensor(probabilities)
    average = [average_precision_score(labels == k, probabilities[:, k]) for k in range(classes) if (labels == k).any()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            "balanced_accuracy": balanced_accuracy_score(labels, predictions),
            "macro_precision": precision_score(labels, predictions, average="macro", zero_division=np.nan),
            "macro_recall": recall_score(
                labels, predictions, labels=np.unique(labels), average="macro", zero_division=np.nan
            ),
            "auprc": float(np.mean(average)),
            "mcc": matthews_corrcoef(labels, predictions),
            "kappa": cohen_kappa_score(labels, predictions, labels=range(classes), replace_undefined_by=np.nan),
        }
        by_class = multiclass_average_precision(scores, truth, classes, average=None)
        areas = multiclass_auroc(scores, truth, classes, average=None)
    parts = {
        "macro_precision": multiclass_precision(answers, truth, classes, average=None)[np.unique(predictions)].mean(),
        "macro_recall": multiclass_recall(answers, truth, classes, average=None)[np.unique(labels)].mean(),
        "auprc": by_class[np.unique(labels)].mean(),
    }
    parts["balanced_accuracy"] = parts["macro_recall"]
    table = confusion_matrix(labels, predictions, labels=range(classes))
    one_sided = 1 in (np.count_nonzero(table.sum(0)), np.count_nonzero(table.sum(1)))
    if one_sided:
        found["mcc"] = None  # scikit-learn says 0, and torchmetrics one of -1, 0 and 1
    else:
        parts["mcc"] = multiclass_matthews_corrcoef(answers, truth, classes)
    if np.isnan(found["kappa"]):
        found["kappa"] = None
    else:
        parts["kappa"] = multiclass_cohen_kappa(answers, truth, classes)
    for name, value in parts.items():
        np.testing.assert_allclose(value.item(), found[name], atol=2e-6, err_msg=name)
    for k in range(classes):
        if 0 < (labels == k).sum() < len(labels):
            np.testing.assert_allclose(areas[k].item(), roc_auc_score(labels == k, probabilities[:, k]), atol=2e-6)
    return found


def class_scores_by_library(labels, probabilities):
    """NaN where one is undefined."""
    classes = range(probabilities.shape[1])
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, probabilities.argmax(1), labels=classes, zero_division=np.nan
    )
    return {"precision": precision, "recall": recall, "f1": f1}
