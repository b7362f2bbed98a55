"""Images: records, preprocessing, augmentation, DataModule."""
