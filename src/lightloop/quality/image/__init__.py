"""The data check of images: metadata, profile, suite."""
