"""Telling people what monitoring found: once for each thing that is found, by every channel that is set up."""

from lightloop.monitoring.alerts.send import Told, send

__all__ = ["Told", "send"]
