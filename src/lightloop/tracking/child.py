"""Asking W&B's server in a program of its own: W&B tries again for minutes without a word; a program can be ended."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from lightloop.errors import LightloopError, UsageError
from lightloop.tracking.mode import reason

REFUSED = "refused"  # the key of an answer that is a sentence for the user


def ask(module: str, question: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Run `python -m module`, which calls `answering`; its answer.

    Args:
        module: of this package.
        question: that JSON can hold.
        timeout: in seconds, after which the program is ended.

    Raises:
        UsageError: something is to be set first, as the program found.
        LightloopError: it failed, or did not answer in time; in one sentence, without the key.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=os.environ | {"WANDB_MODE": "online", "WANDB_SILENT": "true"},
        )
    except subprocess.TimeoutExpired:
        raise LightloopError(f"W&B did not answer within {timeout:.0f} seconds") from None
    if done.returncode:
        raise LightloopError(f"W&B said no: {reason(done.stderr)}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if REFUSED in answer:
        raise UsageError(answer[REFUSED])
    return answer


def answering(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """In the program: answer the question that came on standard input; what goes wrong is one line on stderr."""
    try:
        print(json.dumps(answer(json.load(sys.stdin))))
    except UsageError as error:
        print(json.dumps({REFUSED: str(error)}))
    # W&B raises what it likes, and the program that asked needs one sentence.
    except Exception as error:  # noqa: BLE001
        words = " ".join(str(error).split()) or "no reason given"
        sys.exit(f"{type(error).__name__}: {words}")
