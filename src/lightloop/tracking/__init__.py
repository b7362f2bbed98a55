"""Runs in Weights & Biases: offline without an account, never a prompt, never a hang.

A run of the loop is a few runs in W&B, in one group: `train` with the curves, `export` with the bundle, `evidence` with
what was found about the model. All is written below `wandb/` of the project; `lightloop sync` sends what was not sent.
"""

from lightloop.tracking.mode import fingerprint, git_state, notice, tracking_mode
from lightloop.tracking.runs import close_run, open_run
from lightloop.tracking.sending import send_runs

__all__ = ["close_run", "fingerprint", "git_state", "notice", "open_run", "send_runs", "tracking_mode"]
