"""Metrics of the project's own: one file each, read as networks are. `lightloop new metric NAME` writes one."""
