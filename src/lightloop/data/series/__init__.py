"""Series: records, preprocessing, DataModule."""
