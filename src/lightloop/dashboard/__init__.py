"""W&B's workspace and report as code: what they hold follows from the config and the evidence files."""
