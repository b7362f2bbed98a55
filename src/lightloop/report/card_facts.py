"""What the evidence says, in a few sentences a topic, for the model card and its appendix. Nothing is computed here.

Each function gives sentences, none where there is no such evidence; the reason why something does not apply is one.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from lightloop.report.evidence import Evidence
from lightloop.report.explanations import method_title, trusted_methods
from lightloop.report.figures import count, estimate, figure, interval, percent, plural, settings, words
from lightloop.report.sections import title_of
from lightloop.report.slices import GAPS

Content = Mapping[str, Any]
SCALINGS = {"none": "the softmax of the network", "temperature": "temperature scaling", "isotonic": "isotonic scaling"}
ATTACKS = {"fgsm": "one step along the gradient (FGSM)", "pgd": "many steps (PGD)"}
STRENGTH = 3  # of five: what is said of a corruption beside its mean


def why_not(content: Content | None) -> list[str] | None:
    """Why a file says nothing: no sentence where it is missing, its reason where it does not apply; None where it does.

    Examples:
        >>> why_not(None), why_not({"applies": False, "why": "no classes"}), why_not({"applies": True})
        ([], ['Does not apply: no classes.'], None)
    """
    if content is None:
        return []
    return None if content["applies"] else [f"Does not apply: {content['why'].rstrip('.')}."]


def told(group: BaseModel) -> str:
    """A group of the config in short, without settings that say nothing.

    Examples:
        >>> from lightloop.config.balance import Clean
        >>> told(Clean(duplicates="exact"))
        'clean: missing keep, outliers keep, duplicates exact, digits 3'
    """
    content = {key: value for key, value in group.model_dump().items() if value not in (None, (), [], {}, "")}
    return settings({"name": getattr(group, "name", type(group).__name__.lower()), **content})


def calibration(evidence: Evidence) -> list[str]:
    """Whether probabilities can be believed, and how answers are made of them."""
    content = evidence.calibration
    if content is None or not content["applies"]:
        return why_not(content) or []
    if "after" not in content:
        covered = "; ".join(f"{percent(row['level'])}: {estimate(row['coverage'])}" for row in content["curve"])
        return [f"Share of truths inside the interval of each level, over all steps: {covered}."]
    after, before = content["after"], content.get("before")
    said = f"Calibration error of the released probabilities: {estimate(after['ece'])}"
    if before:
        said += f", before scaling {estimate(before['ece'])}"
    if after["ece"].get("if_calibrated") is not None:
        said += f"; a perfectly calibrated model would show {figure(after['ece']['if_calibrated'])} on as many records"
    sentences = [said + "."]
    if scaling := content.get("scaling"):
        name = SCALINGS.get(scaling["name"], words(scaling["name"]))
        value = f" with a temperature of {figure(scaling['temperature'])}" if scaling["name"] == "temperature" else ""
        fitted = ", fitted on the validation split" if content["fitted"] else ""
        sentences.append(f"Probabilities come from {name}{value}{fitted}.")
    decision = content.get("decision")
    if decision and decision["name"] == "argmax":
        sentences.append("The answer is the most probable class.")
    elif decision:
        sentences.append(
            f"The answer is decided by {words(decision['name'])}, "
            f"which changes {plural(decision['changed'], 'answer')}."
        )
    return sentences


def uncertainty(evidence: Evidence) -> list[str]:
    """Conformal coverage, abstaining, disagreement."""
    content = evidence.uncertainty
    if content is None or not content["applies"]:
        return why_not(content) or []
    sentences = []
    conformal, abstention, disagreement = (content[name] for name in ("conformal", "abstention", "disagreement"))
    for row in conformal["levels"] if conformal["applies"] else []:
        size = f"{estimate(row['size'])} classes" if "size" in row else f"a width of {estimate(row['width'])}"
        what = "sets" if "size" in row else "intervals"
        sentences.append(
            f"Conformal {what} of {percent(row['level'])} hold the truth in {estimate(row['coverage'])} of the test "
            f"records, with {size} on average."
        )
    if abstention["applies"]:
        sentences.append(
            f"With its option to abstain the model answers {estimate(abstention['answered'])} of the records, with an "
            f"accuracy of {estimate(abstention['accuracy'])} instead of {estimate(abstention['accuracy_of_all'])}."
        )
    if disagreement["applies"]:
        name, area = next(iter(disagreement["auroc"].items()))
        sentences.append(
            f"{disagreement['error'].capitalize()} is told from the rest by the {words(name)} of "
            f"{plural(disagreement['answers'], 'answer')} of the {disagreement['source']} with an AUROC of "
            f"{estimate(area)} on {plural(disagreement['n'], 'record')}."
        )
    reasons = [part["why"] for part in (conformal, abstention, disagreement) if not part["applies"]]
    return sentences + [f"Does not apply: {reason.rstrip('.')}." for reason in reasons]


def groups(evidence: Evidence) -> list[str]:
    """The worst group by column, and the worst part that was found."""
    content = evidence.slices
    if content is None or not content["applies"]:
        return why_not(content) or []
    title = title_of(evidence, content["metric"])
    sentences = []
    worst = [row for row in content["rows"] if row["difference"]["value"] is not None]
    if worst:
        row = min(worst, key=lambda one: one["difference"]["value"])
        sentences.append(
            f"Of {plural(len(content['rows']), 'declared group')} the one farthest behind the other records is "
            f"{words(row['column'])} = {row['value']}: {title} {estimate(row['metrics'][content['metric']])} on "
            f"{plural(row['n'], 'record')}; its difference from the others is {estimate(row['difference'])}, positive "
            "being better."
        )
    else:
        sentences.append(f"No group of at least {count(content['smallest'])} records was declared or can be compared.")
    return sentences


def fairness(evidence: Evidence) -> list[str]:
    """The gaps between groups of each sensitive column."""
    content = evidence.fairness
    if content is None or not content["applies"]:
        return why_not(content) or []
    sentences = []
    for column in content["columns"]:
        name = f"{words(column['column'])}, who is given {column['favourable']!r}"
        if not column["applies"]:
            sentences.append(f"{name}: not compared. {column['why']}")
            continue
        gaps = "; ".join(
            f"{GAPS[gap].lower()} {estimate(column['gaps'][gap])}" for gap in GAPS if gap in column["gaps"]
        )
        sentences.append(f"{name}: {gaps}.")
    return sentences


def robustness(evidence: Evidence) -> list[str]:
    """The metric on worse and on attacked records, and the declared checks."""
    content = evidence.audit.get("robustness")
    if content is None or not content["applies"]:
        return why_not(content) or []
    title = title_of(evidence, content["metric"])
    sentences = [f"{title} on {plural(content['n'], 'undisturbed record')}: {estimate(content['clean'])}."]
    for name, kind in content["corruptions"].items():
        level = next((one for one in kind["levels"] if one["strength"] == STRENGTH), kind["levels"][-1])
        sentences.append(
            f"With {words(name)} of strength {level['strength']} of {len(kind['levels'])} "
            f"({figure(level['amount'])}, {kind['unit']}): {estimate(level)}; "
            f"mean of all strengths {figure(kind['mean'])}."
        )
    sentences += attacks(evidence)
    checks, extremes = content["metamorphic"], content["extremes"]
    for rows, what in ((checks, "declared check"), (extremes, "out-of-range input")):
        if rows:
            passed = sum(row["passed"] for row in rows)
            sentences.append(f"{passed} of {plural(len(rows), what)} passed.")
    return sentences


def attacks(evidence: Evidence) -> list[str]:
    """The metric on records that were moved along the gradient."""
    content = evidence.audit.get("robustness")
    if content is None or not content["applies"]:
        return why_not(content) or []
    found = content["attacks"]
    return [
        f"Attacked by {ATTACKS.get(name, words(name))} of {figure(rows[-1]['epsilon'])} {found['unit']}: "
        f"{estimate(rows[-1])} on {plural(found['n'], 'record')}."
        for name, rows in found["methods"].items()
        if rows
    ]


def explanations(evidence: Evidence) -> list[str]:
    """Which methods of explanation are to be trusted."""
    trusted, names = trusted_methods(evidence)
    if not names or evidence.explanation is None:
        return []
    said = f"{len(trusted)} of {plural(len(names), 'method')} passed every check on "
    said += plural(evidence.explanation["n"], "test record")
    return [f"{said}: {', '.join(method_title(name) for name in trusted)}." if trusted else f"{said}."]


def data_audit(evidence: Evidence) -> list[str]:
    """Doubtful labels, copies across splits, what more data and older data would give."""
    sentences = []
    labels, copies, learning, staleness = (
        content if (content := evidence.audit.get(name)) and content["applies"] else None
        for name in ("labels", "duplicates", "learning", "staleness")
    )
    if labels and labels["estimated_share"]:
        sentences.append(
            f"Doubted labels: {estimate(labels['estimated_share'])} of {plural(labels['n'], 'training record')}, by "
            f"{labels['source']}."
        )
    for pair in copies["pairs"] if copies else []:
        sentences.append(
            f"{plural(pair['exact'], 'exact copy', 'exact copies')} and {count(pair['near'])} near ones of "
            f"{pair['known']} records among {plural(pair['n'], pair['asked'] + ' record')}."
        )
    if learning and learning["doubling"]:
        sentences.append(
            f"With twice the training records, {title_of(evidence, learning['metric'])} would be better by about "
            f"{estimate(learning['doubling']['gain'])}."
        )
    if staleness:
        oldest = staleness["ages"][-1]
        sentences.append(
            f"A model whose data end {percent(oldest['share'])} of the time line earlier would score "
            f"{estimate(oldest)} instead of {estimate(staleness['ages'][0])} "
            f"({title_of(evidence, staleness['metric'])})."
        )
    return sentences


def data_check(evidence: Evidence) -> list[str]:
    """What the data check found."""
    checks = evidence.validation["checks"]
    failed = [check for check in checks if not check["success"]]
    said = f"{len(checks) - len(failed)} of {plural(len(checks), 'expectation')} of the data check were met."
    names = [
        words(check["name"]) + (f" of {check['column']}" if check["column"] else "") + f" ({check['severity']})"
        for check in failed
    ]
    return [said, *([f"Not met: {', '.join(names)}."] if names else [])]


def folds(evidence: Evidence) -> list[str]:
    """How far chance in the training moves the metrics."""
    content = evidence.folds
    if not content:
        return ["One training: how far chance in the training moves the metrics was not measured."]
    name = evidence.config.gate.metric
    found = content["metrics"].get(name)
    said = f"{plural(len(content['members']), 'training')} ({plural(content['folds'], 'fold')}, "
    said += f"{plural(content['seeds'], 'seed')})"
    if found:
        said += f": {title_of(evidence, name)} {figure(found['mean'])} {interval(found)}".rstrip()
    return [said + "."]
