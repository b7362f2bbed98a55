"""The technical documentation that Annex IV of Regulation (EU) 2024/1689 asks for: what evidence and people say, point
by point, and what is missing.

Headings are short forms of the regulation's text, which is what counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lightloop.config.card import CardConfig
from lightloop.report import card_facts as facts
from lightloop.report.evidence import Evidence
from lightloop.report.figures import estimate, plain, plural, size
from lightloop.report.sections import title_of


@dataclass(frozen=True)
class Item:
    """A thing that a point asks for.

    Attributes:
        asks: the letter and what is asked for.
        says: sentences; none where it is missing.
    """

    asks: str
    says: tuple[str, ...]

    @property
    def missing(self) -> bool:
        return not self.says


@dataclass(frozen=True)
class Point:
    """One of the nine points.

    Attributes:
        number: from 1 to 9.
        title: in short.
        items: what it asks for.
    """

    number: int
    title: str
    items: tuple[Item, ...]


def annex(evidence: Evidence) -> list[Point]:
    """The nine points, in order."""
    card = evidence.config.card.about(evidence.config.data.name)
    points: tuple[tuple[str, Items], ...] = (
        ("General description", _general(evidence, card)),
        ("Elements and development", _development(evidence, card)),
        ("Monitoring, functioning and control", _control(evidence, card)),
        ("Suitability of the performance metrics", _metrics(evidence, card)),
        ("Risk management system (Article 9)", [("Description", _person(card.risk_management))]),
        ("Changes through the life cycle", [("Description", _person(card.changes))]),
        ("Harmonised standards and other solutions", [("List", _person(card.standards))]),
        ("EU declaration of conformity (Article 47)", [("Copy", _person(card.declaration))]),
        (
            "Monitoring after release (Article 72)",
            [("Plan", _person(card.monitoring)), ("What age would cost", _staleness(evidence))],
        ),
    )
    return [
        Point(number, title, tuple(Item(asks, tuple(says)) for asks, says in items))
        for number, (title, items) in enumerate(points, start=1)
    ]


Items = list[tuple[str, Sequence[str]]]


def _person(*texts: str | None) -> list[str]:
    """What a person wrote, without what is not written."""
    return [text.strip() for text in texts if text and text.strip()]


def _general(evidence: Evidence, card: CardConfig) -> Items:
    bundle = evidence.bundle or {}
    digest = evidence.gate.get("bundle_digest")
    return [
        ("(a) Intended purpose", _person(card.intended_use)),
        ("(a) Provider", _person(card.provider)),
        ("(a) Version", [f"The bundle with the digest {digest}; releases are named by git tags."] if digest else []),
        ("(b) Interaction with hardware, software and other systems", _person(card.interaction)),
        (
            "(c) Versions of software",
            [f"Written with {plain(bundle['libraries'])}."] if bundle.get("libraries") else [],
        ),
        (
            "(d) Forms in which it is provided",
            [f"A bundle of an ONNX graph, weights and a manifest ({size(evidence.bundle_bytes)})."]
            if evidence.bundle_bytes
            else [],
        ),
        ("(e) Hardware on which it is meant to run", _person(card.hardware)),
        ("(f) Products of which it is a component", []),
        ("(g) and (h) Interface and instructions for the deployer", ["See \u201cHow to use it\u201d in this card."]),
    ]


def _development(evidence: Evidence, card: CardConfig) -> Items:
    config, training = evidence.config, evidence.training
    started = getattr(config.network, "weights", None)
    records = training["records"]
    return [
        (
            "(a) Methods and steps; pretrained systems",
            [
                "The stages validate, folds, train, calibrate, evaluate, audit, explain, export and gate; dvc.lock "
                "records what each read and wrote.",
                f"Weights that training started from: {started}." if started else "Trained from random weights.",
            ],
        ),
        (
            "(b) Design: what is optimised, key choices",
            [
                f"Loss {facts.told(config.loss)}; optimizer {facts.told(config.optimizer)}; "
                f"decision {facts.told(config.decision)}.",
            ],
        ),
        (
            "(c) Architecture and computing",
            [
                f"Network {facts.told(config.network)}: {plural(training['parameters'], 'parameter')}; "
                f"{plural(training['epochs'], 'epoch')} in {training['precision']} arithmetic.",
            ],
        ),
        ("(d) Data: provenance and selection", _person(card.data_origin)),
        (
            "(d) Data: scope and characteristics",
            [
                f"{plural(records['train'], 'training record')}, {plural(records['validation'], 'validation record')}, "
                f"{plural(evidence.metrics['n'], 'test record')}; version {evidence.data_version or 'not recorded'}."
            ],
        ),
        ("(d) Data: labelling", _person(card.labels)),
        (
            "(d) Data: cleaning",
            [
                f"Records that are left out of training: {facts.told(config.clean)}.",
                *(
                    [f"Records from before {since} are left out of training, validation and test: they no longer hold."]
                    if (since := training.get("holds_since"))
                    else []
                ),
                *facts.data_check(evidence),
            ],
        ),
        ("(e) Human oversight (Article 14)", _person(card.oversight)),
        ("(e) Means of interpreting the output", facts.explanations(evidence)),
        ("(f) Changes determined in advance", _person(card.changes)),
        (
            "(g) Validation and testing",
            [
                f"{plural(len(evidence.gate['checks']), 'check')} of the gate, "
                f"{sum(check['passed'] for check in evidence.gate['checks'])} passed: {evidence.gate['verdict']}.",
                *facts.fairness(evidence),
                "Test logs that a responsible person dated and signed are not part of the evidence.",
            ],
        ),
        (
            "(h) Cybersecurity: inputs made to deceive",
            facts.attacks(evidence),
        ),
    ]


def _control(evidence: Evidence, card: CardConfig) -> Items:
    name = evidence.config.gate.metric
    overall = evidence.metrics["metrics"].get(name)
    columns = evidence.config.data.columns
    features = [column for column, role in columns.items() if role.role == "feature"]
    return [
        (
            "Accuracy overall",
            [f"{title_of(evidence, name)} {estimate(overall)} on {plural(evidence.metrics['n'], 'test record')}."]
            if overall
            else [],
        ),
        ("Accuracy for groups of persons", [*facts.groups(evidence), *facts.fairness(evidence)]),
        ("Unintended outcomes and sources of risk", _person(card.risks)),
        ("Capabilities and limits", [*facts.robustness(evidence), *facts.uncertainty(evidence)]),
        ("Human oversight", _person(card.oversight)),
        ("Specification of inputs", [f"{plural(len(features), 'input column')}: {plain(features)}."]),
    ]


def _metrics(evidence: Evidence, card: CardConfig) -> Items:
    name = evidence.config.gate.metric
    spec = evidence.specs.get(name)
    found: Items = [("Why these metrics suit the use", _person(card.metrics_why))]
    if spec:
        found.append((f"What {spec.title} says", [f"{spec.meaning} {spec.direction.capitalize()} is better."]))
    return found


def _staleness(evidence: Evidence) -> list[str]:
    content = evidence.audit.get("staleness")
    if content and not content["applies"]:
        return facts.why_not(content) or []
    return [one for one in facts.data_audit(evidence) if "earlier would score" in one]
