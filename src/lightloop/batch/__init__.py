"""Batch scoring: files of records in, files of predictions out. No torch."""
