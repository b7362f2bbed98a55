"""The data check of tables."""
