"""The template as a project of somebody else: another name, fewer features, newer versions."""
