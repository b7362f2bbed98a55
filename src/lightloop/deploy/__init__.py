"""Where a release runs: on this machine, in a container, on a cluster."""
