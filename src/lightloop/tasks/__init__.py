"""LightningModules: a network with its loss, optimizer, schedule and metrics. A new one is one file and one YAML."""
