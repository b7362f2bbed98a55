"""A project without the features that it does not need.

`features.toml` names each feature with its files. What refers to them is cut by syntax tree, and what nobody uses any
more follows, until nothing changes.
"""

from lightloop.template.slim.features import Feature, Features, read_features
from lightloop.template.slim.slim import Report, slim

__all__ = ["Feature", "Features", "Report", "read_features", "slim"]
