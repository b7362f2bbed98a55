"""Licence texts: the author's beside the template's own notice."""

from pathlib import Path
from typing import Final

from lightloop.template.making.answers import Answers

TEXTS: Final = Path(__file__).parent / "licences"
# What the template's licence asks to keep in every copy.
NOTICE: Final = "Copyright (c) 2026 The Lightloop authors"
TEMPLATE_LICENCE: Final = "LICENSE-template"
SPDX: Final = {"proprietary": "LicenseRef-Proprietary"}


def spdx(answers: Answers) -> str:
    """The identifier for `pyproject.toml`."""
    return SPDX.get(answers.licence, answers.licence)


def write_licence(root: Path, answers: Answers) -> None:
    """Write `LICENSE`; under another licence than the template's, that one stands beside it, as it asks."""
    own = f"Copyright (c) {answers.year} {answers.author}"
    if answers.licence == "MIT":
        text = _text("MIT").replace("{notices}", f"{own}\n{NOTICE}")
    else:
        text = _text(answers.licence).replace("{notices}", own)
        # A form to be filled in, at the end of the Apache licence.
        text = text.replace("Copyright [yyyy] [name of copyright owner]", own)
        notice = _text("MIT").replace("{notices}", NOTICE)
        (root / TEMPLATE_LICENCE).write_text(notice, encoding="utf-8")
    (root / "LICENSE").write_text(text, encoding="utf-8")


def _text(licence: str) -> str:
    return (TEXTS / f"{licence}.txt").read_text(encoding="utf-8")
