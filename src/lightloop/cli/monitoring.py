"""What production does: monitoring and what follows from it."""
