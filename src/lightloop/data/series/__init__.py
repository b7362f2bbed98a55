"""Series: records, windows, preprocessing, augmentation, DataModule."""
