"""Monitoring: `configs/monitor/`. Read by `lightloop monitor`, by no stage."""

from lightloop.config.base import Frozen


class MonitorConfig(Frozen):
    """What is looked at in the log of the service, and what follows."""
