"""From a trained model to one that stands in production: the bundle, the gate, the registry."""
