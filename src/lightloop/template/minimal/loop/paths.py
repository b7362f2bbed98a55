"""Where everything lies: one name for each path, used by every stage."""

from pathlib import Path

from lightloop.errors import UsageError


class Project:
    """A project's folder. Stages hand each other files only: this is the list of them.

    Examples:
        >>> Project(Path("/somewhere")).gate.as_posix()
        '/somewhere/artifacts/gate.json'
    """

    def __init__(self, root: Path) -> None:
        artifacts = root / "artifacts"
        self.root = root
        self.params = root / "params.yaml"
        self.validation = artifacts / "validation" / "result.json"
        self.checkpoint = artifacts / "training" / "model.ckpt"
        self.history = artifacts / "training" / "history.json"
        self.metrics = artifacts / "evaluation" / "metrics.json"
        self.predictions = artifacts / "evaluation" / "predictions.parquet"
        self.explanation = artifacts / "explanation" / "result.json"
        self.bundle = artifacts / "bundle"
        self.parity = artifacts / "parity.json"
        self.champion = artifacts / "champion" / "champion.json"
        self.champion_bundle = artifacts / "champion" / "bundle"
        self.gate = artifacts / "gate.json"
        self.report = root / "reports" / "index.html"

    @classmethod
    def find(cls) -> "Project":
        """The project around the current folder, looking upward.

        Raises:
            UsageError: no folder above holds a `dvc.yaml`.
        """
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / "dvc.yaml").exists():
                return cls(folder)
        raise UsageError(f"{here} is not inside a project (no dvc.yaml): change into one first")
