"""Text: records, preprocessing, DataModule."""
