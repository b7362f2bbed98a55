"""The data of a project from version to version: what is added, what changed, and whether it is sound."""
