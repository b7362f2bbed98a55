"""How the pages of docs/ become a site: `make docs`. Nothing asks the network, when it is built or when it is read."""

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).parent
DOCS = HERE.parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402 - both lie beside this file
import sections  # noqa: E402

ABOUT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MADE = {"commands": reference.commands, "python": reference.interface, "changes": reference.changes}

project = ABOUT["name"].capitalize()
version = release = ABOUT["version"]
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_site"]
# Titles of every depth can be linked, by the names that GitHub gives them.
myst_heading_anchors = 6

default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "ignore-module-all": True}
napoleon_numpy_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_logo = html_favicon = str(DOCS.parent / "src/lightloop/report/static/mark.svg")
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options: dict[str, Any] = {
    "logo": {"text": project},
    "navbar_align": "left",
    "show_prev_next": True,
    "show_version_warning_banner": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "back_to_top_button": False,
}
html_sidebars: dict[str, list[str]] = {"index": [], "tutorial": [], "design": []}
html_context = {"default_mode": "auto"}


def complete(_: Sphinx, page: str, source: list[str]) -> None:
    """Add to a page what the code says, and tell which pages lie below it."""
    if page in MADE:
        source[0] += MADE[page]()
    source[0] = sections.within(source[0]) + sections.tree(source[0])


def read_docstring(*told: Any) -> None:
    """Leave a docstring's plain text plain: the last thing told is the list of its lines."""
    told[-1][:] = reference.plain(told[-1])


def add_files(app: Sphinx, error: Exception | None) -> None:
    """Beside the pages: the JSON schema of the config, for editors, and llms.txt, for assistants."""
    from lightloop.config.schema import Config

    if error or app.builder.name != "html":
        return
    out = Path(app.outdir)
    (out / "config.schema.json").write_text(json.dumps(Config.model_json_schema(), indent=2) + "\n", encoding="utf-8")
    (out / "llms.txt").write_text(sections.llms(DOCS, ABOUT, to_page="_sources/{}.txt"), encoding="utf-8")


def setup(app: Sphinx) -> None:
    # A fixed time, so that the same pages are the same bytes.
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")
    app.connect("source-read", complete)
    # Before napoleon reads the sections.
    app.connect("autodoc-process-docstring", read_docstring, priority=400)
    app.connect("build-finished", add_files)
