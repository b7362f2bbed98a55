"""The data check of texts: metadata, profile, suite."""
