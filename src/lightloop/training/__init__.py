"""Fitting: the trainer, its callbacks, and the settings that make it fast."""
