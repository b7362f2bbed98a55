"""What the project says once a new piece is there, asked in a process of its own, which reads the new files.

`python -m lightloop.creation.listed`, in the project, prints JSON: the text of the page of components, and that of
params.yaml where there is one.
"""

import json

from lightloop.config.catalogue import catalogue, to_markdown
from lightloop.config.compose import HEADER, read_params, to_yaml
from lightloop.project import Project


def main() -> None:
    project = Project.find()
    params = HEADER + to_yaml(read_params(project)) if project.params.exists() else None
    print(json.dumps({"page": to_markdown(catalogue(project.configs)), "params": params}))


if __name__ == "__main__":
    main()
