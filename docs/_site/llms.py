"""Write llms.txt from the lists of pages: `python docs/_site/llms.py > llms.txt`."""

import sys
import tomllib
from pathlib import Path

from sections import llms

DOCS = Path(__file__).parents[1]
EXTRA = """\
A clone is a whole project: config in `configs/` (Hydra), data under `data/` (DVC), code in `src/lightloop/`, tests in
`tests/`. `make run` runs the loop, `make check` and `make test` say whether a change holds. What to know before
changing anything stands in [AGENTS.md](AGENTS.md)."""


def text() -> str:
    """What llms.txt holds."""
    about = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return llms(DOCS, about, extra=EXTRA)


if __name__ == "__main__":
    sys.stdout.write(text())
