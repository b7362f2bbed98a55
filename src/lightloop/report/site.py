"""Pages from evidence: one index.html, its assets beside it, the model card and the Data Docs."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lightloop.config.compose import to_yaml
from lightloop.config.image import ImageSpec
from lightloop.project import Project
from lightloop.report import audit, explanations, figures, insights, sections
from lightloop.report.card import card_html, write_card
from lightloop.report.champion import champion
from lightloop.report.compression import compression
from lightloop.report.counterfactuals import counterfactuals
from lightloop.report.evidence import Evidence
from lightloop.report.pictures import write_thumbnails
from lightloop.report.records import mistakes, wrong_records
from lightloop.report.samples import samples
from lightloop.report.slices import RATES, p_value

ROOM = Path(__file__).resolve().parent
NAVIGATION = (
    ("verdict", "Verdict"),
    ("data", "Data quality"),
    ("training", "Training"),
    ("evaluation", "Evaluation"),
    ("mistakes", "Errors"),
    ("audit", "Audit"),
    ("explanations", "Explanations"),
    ("champion", "Against the champion"),
    ("compression", "Compression"),
    ("card", "Model card"),
    ("reproduce", "Reproduce"),
)


def write_site(evidence: Evidence, records: pa.Table, project: Project, folder: Path) -> None:
    """Write the whole site. The same evidence gives the same bytes.

    Args:
        evidence: of the run.
        records: the test records as they lie on disk.
        project: where pictures of explanations and Data Docs lie.
        folder: where to write; it must not exist yet.
    """
    assets = folder / "assets"
    shutil.copytree(ROOM / "static", assets)
    spec = evidence.config.data
    wrong = [mistake["id"] for mistake in wrong_records(evidence)]
    thumbnails: dict[str, str] = {}
    if isinstance(spec, ImageSpec) and spec.problem != "generation":
        thumbnails = write_thumbnails(records, wrong, spec.size, spec.channels, assets / "mistakes")
    if evidence.explanation and project.explanation_images.is_dir():
        shutil.copytree(project.explanation_images, assets / "explanation", ignore=shutil.ignore_patterns("*.json"))
    _copy_taught(evidence, project.explanation, assets / "explanation")
    documented = project.data_docs.is_dir()
    if documented:
        shutil.copytree(project.data_docs, folder / "data-docs")
    card = write_card(evidence)
    (folder / "model-card.md").write_text(card, encoding="utf-8")
    page = (
        environment()
        .get_template("index.html.j2")
        .render(
            **_content(evidence, records, thumbnails),
            card=card_html(card),
            docs="data-docs/index.html" if documented else None,
            picture=lambda name: _picture(folder, assets / "explanation", name),
        )
    )
    (folder / "index.html").write_text(page, encoding="utf-8")


def _content(evidence: Evidence, records: pa.Table, thumbnails: dict[str, str]) -> dict[str, Any]:
    smaller = compression(evidence)
    left_out = set() if smaller else {"compression"}
    generates = evidence.config.data.problem == "generation"
    if generates:  # neither right nor wrong
        left_out.add("mistakes")
    content = {
        "evidence": evidence,
        "config": evidence.config,
        "config_yaml": to_yaml(evidence.config),
        "navigation": [one for one in NAVIGATION if one[0] not in left_out],
        "verdict": sections.verdict(evidence),
        "data": sections.data(evidence),
        "training": sections.training(evidence),
        "evaluation": sections.evaluation(evidence),
        "mistakes": [] if generates else mistakes(evidence, records, thumbnails),
        "audit": audit.audit(evidence),
        "explanations": explanations.explanations(evidence),
        "champion": champion(evidence),
        "compression": smaller,
        "insights": {
            "overall": insights.overall(evidence),
            "concepts": insights.concepts(evidence),
            "versions": insights.versions(evidence),
            "influence": insights.influence(evidence),
            "counterfactuals": counterfactuals(evidence),
        },
    }
    # of feature: generation
    content["samples"] = samples(evidence) if generates else None
    # end
    return content


def _copy_taught(evidence: Evidence, folder: Path, pictures: Path) -> None:
    """Copy those pictures of training records that the page shows."""
    found = insights.influence(evidence)
    if not found or found["why"]:
        return
    rows = [one for record in found["records"] for name in ("helped", "hurt") for one in record[name]]
    for row in [*rows, *found["strangest"]]:
        if row["picture"] and (folder / row["picture"]).is_file():
            pictures.mkdir(exist_ok=True)
            shutil.copy(folder / row["picture"], pictures / f"training-{Path(row['picture']).name}")


def _picture(folder: Path, pictures: Path, name: str) -> str | None:
    """The address of a picture of an explanation, given as `images/NAME`; None where there is no such file."""
    path = pictures / Path(name).name
    return path.relative_to(folder).as_posix() if path.is_file() else None


def environment() -> Environment:
    """The templates with their filters: everything is escaped, and a name that does not exist is an error."""
    templates = Environment(
        loader=FileSystemLoader(ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name in ("count", "estimate", "figure", "interval", "percent", "plain", "plural", "settings", "size", "words"):
        templates.filters[name] = getattr(figures, name)
    templates.filters["p_value"] = p_value
    templates.filters["method"] = explanations.method_title
    templates.filters["place"] = lambda value, floor: round(100 * (value - floor) / (1 - floor), 1)
    templates.filters["expectation"] = expectation_words
    templates.filters["expected"] = expected_words
    templates.filters["observed"] = observed_words
    templates.globals |= {
        "CHECKS": explanations.CHECKS,
        "PARTS": sections.PARTS,
        "title_of": sections.title_of,
        "RATES": RATES,
    }
    return templates


def expectation_words(name: str) -> str:
    """An expectation's type as words.

    Examples:
        >>> expectation_words("expect_column_values_to_not_be_null"), expectation_words("ExpectTableRowCountToEqual")
        ('column values to not be null', 'table row count to equal')
    """
    spaced = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return figures.words(spaced.strip("_").removeprefix("expect_"))


def expected_words(kwargs: Mapping[str, Any]) -> str:
    """What an expectation asks for, in words.

    Examples:
        >>> expected_words({"min_value": 6000, "rows": "part == train"})
        'at least 6,000 (part == train)'
        >>> expected_words({"min_value": 28, "max_value": 28}), expected_words({"value_set": ["a", "b"]})
        ('28', 'a, b')
    """
    rest = {key: value for key, value in kwargs.items() if value is not None}
    low, high, rows = (rest.pop(key, None) for key in ("min_value", "max_value", "rows"))
    parts = [figures.plain(rest.pop(key)) for key in ("value_set", "column_set") if key in rest]
    if low is not None and high is not None:
        parts.append(figures.plain(low) if low == high else f"{figures.plain(low)} to {figures.plain(high)}")
    elif low is not None or high is not None:
        parts.append(f"at least {figures.plain(low)}" if high is None else f"at most {figures.plain(high)}")
    parts += [figures.plain(rest)] if rest else []
    return ", ".join(parts or [figures.MISSING]) + (f" ({figures.plain(rows)})" if rows is not None else "")


def observed_words(observed: Any) -> str:
    """What an expectation found, in words.

    Examples:
        >>> observed_words({"min": 28, "max": 28}), observed_words({"min": 0.5, "max": 3})
        ('28', '0.5 to 3')
        >>> observed_words({"values": ["L"]}), observed_words({"missing": []}), observed_words(12000)
        ('L', 'nothing missing', '12,000')
    """
    match observed:
        case {"min": low, "max": high}:
            return expected_words({"min_value": low, "max_value": high})
        case {"values": values}:
            return figures.plain(values)
        case {"missing": []}:
            return "nothing missing"
        case _:
            return figures.plain(observed)
