"""`lightloop ci dispatch`: start another workflow. What a job's token pushes starts none; this does."""

from collections.abc import Sequence

from lightloop.ci.api import Api
from lightloop.ci.outputs import summarise
from lightloop.errors import UsageError


def dispatch(workflow: str, *, ref: str, inputs: Sequence[str] = ()) -> None:
    """Start a workflow by its `workflow_dispatch`.

    Args:
        workflow: its file, such as `deploy.yml`.
        ref: branch or tag that it runs on.
        inputs: each as `key=value`; one without a value is left to the workflow's default.

    Raises:
        UsageError: an input that is no `key=value`.
        ApiError: there is no such workflow, input or permission.
    """
    given: dict[str, str] = {}
    for one in inputs:
        key, separator, value = one.partition("=")
        if not separator or not key:
            raise UsageError(f"--input {one!r}: expected key=value, such as tag=model#production#1")
        if value:
            given[key] = value
    with Api.of_environment() as api:
        path = f"/actions/workflows/{workflow}/dispatches"
        api.send("POST", path, {"ref": ref, "inputs": given}, needs="actions: write")
    said = ", ".join(f"{key}={value}" for key, value in given.items())
    print(f"{workflow} is started on {ref}" + (f" with {said}" if said else ""))
    summarise(f"Started `{workflow}` on `{ref}`" + (f" with `{said}`." if said else "."))
