"""Smaller and faster bundles: int8, float16, pruning, distillation, each measured before it is chosen."""
