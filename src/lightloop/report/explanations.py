"""The section of explanations: methods and their checks, what matters overall, and single records."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightloop.report.charts import lines, ranking
from lightloop.report.evidence import Evidence
from lightloop.report.figures import plain, words
from lightloop.report.sketches import stretch

METHODS = {
    # of feature: image
    "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "guided_grad_cam": "Guided Grad-CAM",
    # end
    "input_x_gradient": "Gradient times input",
    "deep_lift_shap": "DeepLiftSHAP",
    "shapley_sampling": "Shapley sampling",
    "lime": "LIME",
    "feature_permutation": "Permutation",
    "occlusion": "Occlusion",
    "attention": "Attention",
    "saliency": "Saliency",
    "blind": "Random numbers",
    "gradient_shap": "GradientSHAP",
    "integrated_gradients": "Integrated gradients",
    "feature_ablation": "Ablation",
    "kernel_shap": "KernelSHAP",
    # of feature: image
    "guided_backpropagation": "Guided backpropagation",
    # end
    "random": "Random order",
    "random_blocks": "Random blocks",
    "random_blocks_2": "Random coarser blocks",
}
CHECKS = {
    "completeness_error": "Completeness error",
    "deletion_auc": "Deletion area",
    "insertion_auc": "Insertion area",
    "infidelity": "Infidelity",
    "sensitivity": "Sensitivity",
    "seed_agreement": "Agreement of draws",
    "member_agreement": "Agreement of members",
    "randomised_correlation": "Correlation after randomisation",
}
RANKED = 15  # columns in a ranking
# Records in the gallery: rows are short, texts long, each series is a picture of its own for each method.
GALLERY = {"columns": 24, "tokens": 12, "steps": 8}
BARS = 7  # columns of one record
TOKENS = 160  # of one text, where its attributions are strongest
STYLES = ("model", "second", "third", "fourth", "fifth")  # of lines
FAINT = 0.06  # of the strongest attribution: weaker tokens are not coloured


def method_title(name: str) -> str:
    """An attribution method's name for people."""
    return METHODS.get(name, words(name))


def trusted_methods(evidence: Evidence) -> tuple[list[str], list[str]]:
    """Names of the attribution methods that can be trusted, and of all."""
    methods = (evidence.explanation or {}).get("methods") or {}
    return [name for name, method in methods.items() if method["trusted"]], list(methods)


def columns_that_matter(evidence: Evidence) -> list[str]:
    """A table's feature columns, most important first by the first method that is to be trusted."""
    trusted, names = trusted_methods(evidence)
    for name in [*trusted, *names]:
        rows = (evidence.explanation or {})["methods"][name].get("importance") or []
        if rows:
            return [row["name"] for row in sorted(rows, key=lambda row: -row["value"])]
    return list(evidence.config.data.features)


def explanations(evidence: Evidence) -> dict[str, Any] | None:
    """Each method with its checks, the curves against random order, the control; None without evidence."""
    content = evidence.explanation
    if content is None or "methods" not in content:
        return None
    methods = content["methods"]
    trusted, names = trusted_methods(evidence)
    # A method that could not be computed has reasons, but nothing to show.
    drawn = [name for name in names if methods[name]["checks"]]
    noun = content.get("noun", "pixels")
    return {
        "content": content,
        "noun": noun,
        "score": "probability" if content.get("score", "probability") == "probability" else "answer",
        "methods": methods,
        "trusted": trusted,
        "names": names,
        "drawn": drawn,
        "first": trusted[0] if trusted else drawn[0] if drawn else None,
        "skipped": content.get("skipped") or {},
        "agreement": _agreement(content),
        "charts": _curves(content, noun),
        "layers": _layers(content),
        "passing": sum(_depends_on_weights(method) for method in methods.values()),
        "control": content.get("control") or {},
        "importance": _importance(content, noun),
        "gallery": [] if noun == "pixels" else _gallery(evidence, drawn, noun),
    }


def _curves(content: Mapping[str, Any], noun: str) -> list[Any]:
    curves = content.get("curves") or {}
    share = content.get("score", "probability") == "probability"
    charts = []
    for kind, title in (("deletion", "Deletion: lower is better"), ("insertion", "Insertion: higher is better")):
        found = curves.get(kind) or {}
        methods = [name for name in found if not name.startswith("random")]
        peers = [name for name in found if name not in methods]
        points = {
            method_title(name): list(zip(curves["fractions"], found[name], strict=True)) for name in methods + peers
        }
        styles = [STYLES[place % len(STYLES)] for place in range(len(methods))] + [
            *("peer", "faint", "faint")[: len(peers)]
        ]
        if points:
            x = f"share of {noun} {'removed' if kind == 'deletion' else 'put back'}"
            y = "mean probability of the predicted class" if share else "mean answer, less that of the baseline"
            charts.append(lines(title, points, x=x, y=y, styles=styles, percent=share, width=330))
    return charts


def _importance(content: Mapping[str, Any], noun: str) -> list[Any]:
    """What matters over all explained records: of columns a ranking a method, of steps one line a method."""
    rows = {name: method["importance"] for name, method in content["methods"].items() if method.get("importance")}
    unit = "mean size, logits" if content.get("score") == "probability" else "mean size, in the target's unit"
    if noun == "steps" and rows:
        points = {method_title(name): [(int(row["name"]), row["value"]) for row in own] for name, own in rows.items()}
        title = "Mean size of attributions by step"
        return [lines(title, points, x="steps before the last known one", y=unit, width=520)]
    ranked = {name: sorted(own, key=lambda row: -row["value"])[:RANKED] for name, own in rows.items()}
    return [ranking(own, method_title(name), unit) for name, own in ranked.items()]


def _gallery(evidence: Evidence, names: Sequence[str], noun: str) -> list[dict[str, Any]]:
    """Single records, mistakes and others in turn, each with its parts as every method sees them."""
    assert evidence.explanation is not None
    records = [record for record in evidence.explanation["records"] if record["id"] in evidence.parts]
    wrong, right = records, []
    if evidence.classifies:
        wrong = [record for record in records if record["label"] != record["prediction"]]
        right = [record for record in records if record["label"] == record["prediction"]]
    most = GALLERY[noun]
    chosen = wrong[: max(most // 2, most - len(right))]
    chosen += right[: most - len(chosen)]
    show = {"columns": _bars, "tokens": _spans, "steps": _steps}[noun]
    rows = []
    for record in chosen:
        parts = evidence.parts[record["id"]]
        views = {name: show(parts, parts["attributions"][name]) for name in names}
        rows.append({**record, "wrong": evidence.classifies and record in wrong, "views": views})
    return rows


def _bars(parts: Mapping[str, Any], attributions: Sequence[float]) -> list[dict[str, Any]]:
    """The columns that weigh most in one record: `name`, `given`, `value`, and `width` in percent of the largest."""
    order = sorted(range(len(attributions)), key=lambda place: -abs(attributions[place]))[:BARS]
    largest = max((abs(attributions[place]) for place in order), default=0) or 1.0
    return [
        {
            "name": parts["parts"][place],
            "given": plain(parts["values"][place]),
            "value": attributions[place],
            "width": round(50 * abs(attributions[place]) / largest, 1),
        }
        for place in order
    ]


def _spans(parts: Mapping[str, Any], attributions: Sequence[float]) -> dict[str, Any]:
    """A text in runs of equal strength: `text`, `sign` and `strength` in percent; where it is long, its best part."""
    tokens = parts["parts"]
    sizes = [abs(value) for value in attributions]
    start = 0
    if len(tokens) > TOKENS:
        sums = [sum(sizes[:TOKENS])]
        for place in range(len(tokens) - TOKENS):
            sums.append(sums[-1] - sizes[place] + sizes[place + TOKENS])
        start = max(range(len(sums)), key=sums.__getitem__)
    stop = min(len(tokens), start + TOKENS)
    largest = max(sizes[start:stop], default=0) or 1.0
    # Parts of words and letters bring their own spaces.
    glue = "" if any(token.startswith(" ") for token in tokens) else " "
    runs: list[dict[str, Any]] = []
    for place in range(start, stop):
        share = sizes[place] / largest
        strength = 0 if share < FAINT else max(8, round(50 * share))
        sign = "for" if attributions[place] > 0 else "against"
        if strength == 0 and runs and runs[-1]["strength"] == 0:
            runs[-1]["text"] += glue + tokens[place]
        else:
            runs.append({"text": tokens[place], "sign": sign, "strength": strength})
    return {"runs": runs, "before": start, "after": len(tokens) - stop, "glue": glue}


def _steps(parts: Mapping[str, Any], attributions: Sequence[float]) -> Any:
    steps = [int(name) for name in parts["parts"]]
    line = list(zip(steps, parts["values"], strict=True))
    return stretch({"known": line}, f"Series of {parts['id']}", list(zip(steps, attributions, strict=True)))


def _depends_on_weights(method: Mapping[str, Any]) -> bool:
    check = method["checks"].get("randomised_correlation") or {}
    return check.get("passed") is True


def _layers(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Correlation with the attributions of a network that is randomised layer by layer from the top."""
    columns = dict(content["methods"]) | dict(content.get("control") or {})
    found: dict[str, dict[str, float | None]] = {}
    for name, method in columns.items():
        check = method["checks"].get("randomised_correlation") or {}
        if check.get("by_layer"):
            found[name] = {row["layer"]: row["correlation"] for row in check["by_layer"]}
    if not found:
        return None
    layers = list(dict.fromkeys(layer for rows in found.values() for layer in rows))
    return {"layers": layers, "methods": found}


def _agreement(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Rank correlations of methods, row by row; None where there is but one."""
    found = content.get("agreement")
    return found if found and len(found["methods"]) > 1 else None
