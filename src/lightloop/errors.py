"""The errors that people see, with their exit codes.

Each carries one sentence: what was expected, what came, what to do. The command line maps them to exit codes in
one place (`cli.main`); anything else that is raised is a fault of ours and shows its traceback.
"""


class LightloopError(Exception):
    """Something failed that a person can mend.

    Examples:
        >>> LightloopError("data/x.parquet is missing: run `lightloop run`").exit_code
        1
    """

    exit_code = 1


class UsageError(LightloopError):
    """A wrong command, config or state of the project: nothing was started."""

    exit_code = 2


class RefusedError(LightloopError):
    """The data check or the gate said no: everything worked, and the answer is no."""

    exit_code = 3
