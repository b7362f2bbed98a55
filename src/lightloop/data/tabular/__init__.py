"""Tabular: records, preprocessing, DataModule."""
