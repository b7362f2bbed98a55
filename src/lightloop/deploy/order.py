"""What a target is told: the bundle, the settings, and names made of both."""

from dataclasses import dataclass
from pathlib import Path

from lightloop.config.serve import ServeConfig
from lightloop.project import Project
from lightloop.service.processes.state import Served
from lightloop.serving.manifest import read_manifest

TEMPLATES_AT = "deploy"  # folder of a project, with what people may change of an image
LONGEST = 40  # letters of a label; a cluster takes 63, with what is put before it


@dataclass(frozen=True)
class Order:
    """What is deployed, and how.

    Attributes:
        project: that holds `deploy/`, the templates.
        settings: of the service.
        served: the bundle.
        name: of the model.
    """

    project: Project
    settings: ServeConfig
    served: Served
    name: str

    @classmethod
    def of(cls, project: Project, settings: ServeConfig, served: Served) -> "Order":
        """With the name that the bundle has.

        Raises:
            LightloopError: the bundle is damaged.
        """
        return cls(project, settings, served, read_manifest(Path(served.folder)).name)

    @property
    def image(self) -> str:
        """Name of the container's image."""
        return self.settings.cluster.image or f"lightloop-{self.label}:{self.tag}"

    @property
    def tag(self) -> str:
        """The version, or the beginning of the digest."""
        return (self.served.version or self.served.digest[:12]).replace("+", "-")

    @property
    def label(self) -> str:
        """The model's name as images and clusters take names.

        Examples:
            >>> served = Served(folder="/x", version="v1.0.0", digest="ab")
            >>> Order(Project(Path("/x")), ServeConfig(), served, "My model_2").label
            'my-model-2'
        """
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in self.name.lower())
        return "-".join(filter(None, plain.split("-")))[:LONGEST].strip("-") or "model"
