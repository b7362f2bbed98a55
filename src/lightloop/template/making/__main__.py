"""Make a project of a tree: `python -m lightloop.template.making TREE VERSION`, with the answers as JSON on stdin.

How `update` asks a version of the template, which may be another one than its own, for its tree. Answers that hold a
name and nothing else are those of a project that was renamed by hand.
"""

import json
import sys
from pathlib import Path

from lightloop.errors import LightloopError
from lightloop.template.making.answers import make_answers, require_name
from lightloop.template.making.demos import drop_data
from lightloop.template.making.naming import Name
from lightloop.template.making.render import rename, render


def main() -> None:
    """See the module."""
    tree, version = Path(sys.argv[1]), sys.argv[2]
    answers = json.load(sys.stdin)
    try:
        if set(answers) == {"name"}:
            rename(tree, Name(require_name(answers["name"])))
            return
        made = make_answers(answers)
        render(tree, made, version)
        drop_data(tree)
    except (LightloopError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
