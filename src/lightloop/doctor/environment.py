"""The environment variables that the project reads: which are set, and which look like a slip of the pen."""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from lightloop.config.serve import ServeConfig
from lightloop.doctor.finding import Area, Finding
from lightloop.service.settings import PREFIX as SERVE

AREA = Area("environment")
OWN = "LIGHTLOOP_"
# By name, what each says. A test finds every name in the code.
VARIABLES = {
    "LIGHTLOOP_ALERT_EMAIL": "whom alerts go to",
    "LIGHTLOOP_ALERT_WEBHOOK": "where alerts are posted",
    "LIGHTLOOP_CHROMIUM": "the browser of the tests",
    "LIGHTLOOP_CLOCK": "the time of a simulation",
    "LIGHTLOOP_DEPLOY_ROOT": "where deployments on this machine lie",
    "LIGHTLOOP_ENVIRONMENT": "an environment that is kept elsewhere",
    "LIGHTLOOP_FEEDBACK": "where the service's feedback lies",
    "LIGHTLOOP_JOURNAL": "the journal of a run",
    "LIGHTLOOP_LOG": "where the service's log lies",
    "LIGHTLOOP_LOG_KEY": "the key of hashed columns in the log",
    "LIGHTLOOP_OVERRIDES": "overrides of the retraining",
    "LIGHTLOOP_PUBLIC_KEY": "the key that bundles must be signed with",
    "LIGHTLOOP_SIGN_KEY": "the key that bundles are signed with",
    "LIGHTLOOP_REHEARSAL": "that this is a rehearsal",
    "LIGHTLOOP_SMTP_FROM": "who sends alerts",
    "LIGHTLOOP_SMTP_HOST": "the mail server",
    "LIGHTLOOP_SMTP_PASSWORD": "its password",
    "LIGHTLOOP_SMTP_PORT": "its port",
    "LIGHTLOOP_SMTP_SECURITY": "how it is spoken to",
    "LIGHTLOOP_SMTP_USER": "its user",
    "LIGHTLOOP_WARM": "off: stages start cold",
    "WANDB_API_KEY": "the key of Weights & Biases",
    "WANDB_BASE_URL": "the server of Weights & Biases",
    "WANDB_MODE": "online, offline or disabled",
    "GH_TOKEN": "rights on GitHub",
    "GITHUB_TOKEN": "rights on GitHub",
    "AWS_PROFILE": "rights in AWS",
    "AWS_ENDPOINT_URL": "the S3 server",
    "AWS_REGION": "the region of AWS",
    "TORCH_BACKEND": "another build of torch",
}
FILES = ("LIGHTLOOP_PUBLIC_KEY", "LIGHTLOOP_SIGN_KEY", "LIGHTLOOP_CLOCK")


def look_at_environment(environ: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Which variables are set, by name alone; unknown ones; and files that are not there."""
    given = os.environ if environ is None else environ
    known = {*VARIABLES, *served()}
    if unknown := [name for name in sorted(given) if name.startswith(OWN) and not is_known(name)]:
        near = get_close_matches(unknown[0], known, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        yield AREA.look("unknown", f"nothing reads {', '.join(unknown)}{hint}", f"unset {' '.join(unknown)}")
    for name in FILES:
        if given.get(name) and not Path(given[name]).exists():
            yield AREA.broken(
                "file",
                f"{name} ({VARIABLES[name]}) names a file that is not there",
                f"unset {name}, or name one that is",
            )
    if given.get("LIGHTLOOP_CLOCK"):
        yield AREA.look(
            "clock",
            "LIGHTLOOP_CLOCK is set: service and monitoring live in the time of a simulation",
            "unset LIGHTLOOP_CLOCK",
        )
    mine = [name for name in sorted(known) if given.get(name)]
    yield AREA.ok("set", f"{', '.join(mine)}" if mine else "none of the variables that the project reads")


def served() -> set[str]:
    """The variables by which the service can be told its settings.

    Examples:
        >>> "LIGHTLOOP_SERVE_PORT" in served()
        True
    """
    return {f"{SERVE}{name.upper()}" for name in ServeConfig.model_fields}


def is_known(name: str) -> bool:
    """Whether somebody reads a variable; settings of the service may go deeper.

    Examples:
        >>> is_known("LIGHTLOOP_SERVE_LOG_FOLDER"), is_known(f"{OWN}SERVE_PROT")
        (True, False)
    """
    more = {"VERSION", "DIGEST", "NAME"}
    return (
        name in VARIABLES
        or name in served()
        or name.removeprefix(SERVE) in more
        or any(name.startswith(f"{one}_") for one in served())
    )
