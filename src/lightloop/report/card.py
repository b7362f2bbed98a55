"""The model card: Markdown with front matter as Hugging Face reads it, in the sections of Mitchell et al. 2019.

Figures come from evidence alone. What only a person can know (what the model is for, where the data came from) comes
from configs/card/, and is listed as missing where nobody wrote it.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from lightloop.config.card import CardConfig
from lightloop.report import card_facts, figures, sections
from lightloop.report.annex import annex
from lightloop.report.compression import sentence as compression_sentence
from lightloop.report.evidence import Evidence
from lightloop.report.explanations import method_title, trusted_methods
from lightloop.report.slices import slices
from lightloop.report.tables import confusion

TEMPLATES = Path(__file__).resolve().parent / "templates"
# Of https://huggingface.co/tasks, by modality and problem.
PIPELINE_TAGS = {
    ("image", "classification"): "image-classification",
    ("image", "generation"): "unconditional-image-generation",
    ("tabular", "classification"): "tabular-classification",
    ("tabular", "regression"): "tabular-regression",
    ("text", "classification"): "text-classification",
    ("series", "forecasting"): "time-series-forecasting",
}
WHAT = {
    "classification": "classification",
    "regression": "regression",
    "forecasting": "forecasts",
    "generation": "generation",
}
COLUMNS = {
    "tabular": "the feature columns",
    "text": "a column `text`",
    "series": "a column `series` of the known values",
    "image": "a column `image` of encoded images",
}
# What a person writes, in the order of the card; the annex asks for more.
WRITTEN = {
    "intended_use": "Intended use",
    "intended_users": "Intended users",
    "out_of_scope": "Out of scope",
    "provider": "Provider",
    "contact": "Contact",
    "licence": "Licence of the weights",
    "data_licence": "Licence of the data",
    "citation": "Citation",
    "factors": "Relevant factors",
    "metrics_why": "Why these metrics",
    "data_origin": "Origin of the data",
    "labels": "Origin of the labels",
    "risks": "Risks",
    "mitigations": "Mitigations",
    "oversight": "Human oversight",
    "caveats": "Caveats",
}
# Topics that evidence speaks of, by title; each is a function of `card_facts`.
TOPICS = {
    "Calibration": card_facts.calibration,
    "Uncertainty": card_facts.uncertainty,
    "Groups": card_facts.groups,
    "Fairness": card_facts.fairness,
    "Robustness": card_facts.robustness,
    "Chance in the training": card_facts.folds,
    "Data": card_facts.data_audit,
}
# A table that is too wide scrolls by itself, also by keyboard.
SCROLL = '<div class="scroll" tabindex="0" role="group" aria-label="Table of the model card">'
# Names that Hugging Face's metric hub has for ours; the others keep their own.
HUB_METRICS = {"macro_f1": "f1", "auroc": "roc_auc", "brier": "brier_score"}


def write_card(evidence: Evidence) -> str:
    """The model card as Markdown, front matter first. The same evidence gives the same text."""
    # Jinja's escaping is for HTML; Markdown has characters of its own, which the filter `md` escapes.
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - see above
    )
    for name in ("count", "estimate", "figure", "percent", "plain", "plural", "size", "words"):
        templates.filters[name] = getattr(figures, name)
    templates.filters["md"] = escape_markdown
    templates.filters["method"] = method_title
    templates.filters["told"] = card_facts.told
    card = evidence.config.card.about(evidence.config.data.name)
    text = templates.get_template("model-card.md.j2").render(
        evidence=evidence,
        config=evidence.config,
        card=card,
        front_matter=yaml.safe_dump(front_matter(evidence), sort_keys=False, allow_unicode=True, width=1000),
        verdict=sections.verdict(evidence),
        slices=slices(evidence),
        evaluated=evaluated_factors(evidence),
        title_of=sections.title_of,
        evaluation=sections.metric_rows(evidence),
        classes=sorted(evidence.classes, key=sections.weakness) if evidence.classifies else [],
        pairs=_confused(evidence),
        what=WHAT[evidence.config.data.problem],
        example=usage(evidence),
        data_check=card_facts.data_check(evidence),
        topics={title: says(evidence) for title, says in TOPICS.items()},
        compressed=compression_sentence(evidence),
        annex=annex(evidence),
        missing=missing(card),
        methods=trusted_methods(evidence)[1],
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def missing(card: CardConfig) -> list[str]:
    """Titles of what nobody wrote.

    Examples:
        >>> missing(CardConfig(intended_use="A demonstration."))[:2]
        ['Intended users', 'Out of scope']
    """
    return [title for name, title in WRITTEN.items() if not getattr(card, name)]


def evaluated_factors(evidence: Evidence) -> list[str]:
    """Columns by whose groups the model was evaluated."""
    return list(dict.fromkeys(f"{found['column']} ({found['role']})" for found in slices(evidence)))


def _confused(evidence: Evidence) -> list[Any]:
    """The classes that are most often taken for another."""
    if not evidence.classifies:
        return []
    labels, predicted = (evidence.predictions.column(name).to_pylist() for name in ("label", "prediction"))
    return list(confusion(labels, predicted, evidence.config.data.classes).pairs(3))


def usage(evidence: Evidence) -> str:
    """The lines of Python that ask the bundle one question."""
    data = evidence.config.data
    answer = "probabilities" if evidence.classifies else "image" if data.problem == "generation" else "prediction"
    if data.modality == "image" and evidence.classifies:
        return (
            'answers = predictor.predict([Path("image.png").read_bytes()])\n'
            "print(answers[0].label, answers[0].probability)"
        )
    if data.problem == "generation":
        return f'# The feeds are said by predictor.manifest.input.feeds.\nimages = predictor.run(feeds)["{answer}"]'
    return (
        f"# `records` is a pyarrow table with {COLUMNS[data.modality]}.\n"
        f'answers = predictor.answers(records)["{answer}"]'
    )


def front_matter(evidence: Evidence) -> dict[str, Any]:
    """The card's metadata: https://huggingface.co/docs/hub/model-cards."""
    config = evidence.config
    tag = PIPELINE_TAGS.get((config.data.modality, config.data.problem))
    task = tag or "other"
    dataset: dict[str, Any] = {"name": config.data.name, "type": config.data.name, "split": "test"}
    if evidence.data_version:
        dataset["revision"] = evidence.data_version
    results = [
        {"type": HUB_METRICS.get(name, name), "value": estimate["value"], "name": sections.title_of(evidence, name)}
        for name, estimate in evidence.metrics["metrics"].items()
        if estimate["value"] is not None
    ]
    card = config.card.about(config.data.name)
    return {
        "library_name": "onnx",
        **({"license": card.licence} if card.licence else {}),
        **({"language": list(card.languages)} if card.languages else {}),
        **({"pipeline_tag": tag} if tag else {}),
        "tags": [tag or config.data.problem, config.network.name, "lightloop"],
        "metrics": [result["type"] for result in results],
        # Without a result the index would not be one.
        **({"model-index": [_index(config.name, task, dataset, results)]} if results else {}),
    }


def _index(name: str, task: str, dataset: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "results": [{"task": {"type": task}, "dataset": dataset, "metrics": results}]}


def escape_markdown(text: Any) -> str:
    r"""Text of the data so that Markdown and HTML take it literally, on one line.

    Examples:
        >>> escape_markdown("a*b|<i>")
        'a\\*b\\|&lt;i&gt;'
    """
    flat = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Without square brackets there is no link, so that round ones may stand.
    return re.sub(r"([\\`*_{}\[\]#+!|~])", r"\\\1", flat)


def card_html(card: str) -> Markup:
    """The card's body as HTML for the site, its headings two levels down, raw HTML never passed through."""
    body = card.split("---\n", 2)[2]
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(body)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    html = parser.renderer.render(tokens, parser.options, {})
    html = html.replace("<table>", f"{SCROLL}<table>")
    return Markup(html.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">'))  # noqa: S704 - the parser escapes what is not Markdown
