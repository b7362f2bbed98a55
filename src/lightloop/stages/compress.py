"""compress: make the bundle smaller by the configured methods; the smallest that answers as well is released."""

from lightloop.compression.kept import keep_exported
from lightloop.config.compression import NoCompress
from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.files import write_json
from lightloop.project import Project

NOTHING = {"applies": False, "why": "compress=none releases what was exported"}


def compress(config: Config, project: Project) -> None:
    """Write `artifacts/bundle`, the one that is judged, registered and served, and the evidence for the choice.

    With compress=none it is a copy of the exported one. Else every configured method is tried: it is chosen on the
    validation split, and what it answers to the test split lies in `artifacts/compressed` for the gate.

    Args:
        config: of the run.
        project: where to read and write.

    Raises:
        LightloopError: the exported bundle or the checkpoint is missing or damaged.
        UsageError: a teacher is named that is not there.
    """
    if not project.exported.is_dir():
        raise LightloopError(f"{project.relative(project.exported)} is missing: run `lightloop run`")
    if isinstance(config.compress, NoCompress):
        keep_exported(project)
        write_json(project.compression, NOTHING)
        write_json(project.compression_speed, NOTHING)
        return
    from lightloop.compression.choice import try_methods

    try_methods(config, project, config.compress)
