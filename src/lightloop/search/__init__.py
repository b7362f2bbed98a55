"""Beside the loop: sweeps over configs, tests between settings, and which records to label next."""
