"""A finished run as objects: `load_run` reads back what the stages wrote, here or at another revision."""
