"""The application, how it ends, and the options that commands share."""

import errno
import os
import sys
from typing import Annotated

import typer

from lightloop.errors import LightloopError

app = typer.Typer(
    help="The command line: one command a stage, `run` for all of them, and the registry.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
INTERRUPTED = 130
PUSH_HINT = "it is in this clone alone: `git push --follow-tags` publishes it"
Overrides = Annotated[list[str] | None, typer.Argument(help="Such as network=resnet trainer.max_epochs=3.")]
Stage = Annotated[str, typer.Option(help="Of the registry: staging or production.")]
Force = Annotated[bool, typer.Option("--force", help="Against the gate's verdict; recorded in the tag's message.")]


def main() -> None:
    """Run the command line; errors for people become one sentence and their exit code."""
    # Of numpy and SciPy. Their threads wait spinning, and take the cores from PyTorch's, which do the large products:
    # explaining took 3.7 times as long on two cores. What a person has set stays.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # PyTorch's own threads wait asleep: on cores that others use too, as on a shared runner, waiting takes as much as
    # the work, and on free ones it gains nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        # Typer turns Ctrl-C and its own exits into a code that it returns.
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            sys.exit(code)
    except LightloopError as error:
        fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fail(f"the disk is full ({error.filename or 'while writing'}): free some space and run it again", 1)
    except KeyboardInterrupt:
        fail("interrupted: run it again to go on", INTERRUPTED)
    except Exception as error:
        # Wrong use that the parser found: it knows the sentence and the code.
        if not hasattr(error, "format_message"):
            raise
        fail(f"{error.format_message()} (see `lightloop --help`)", 2)


def fail(sentence: str, code: int) -> None:
    print(f"lightloop: {sentence}", file=sys.stderr, flush=True)
    sys.exit(code)
