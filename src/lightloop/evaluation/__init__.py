"""What a model is worth: metrics, their intervals, and the baseline that it must beat."""
