"""The data check of series: metadata, profile, suite."""
