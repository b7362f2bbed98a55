"""The HTTP service over a bundle: requests, limits, workers. No torch."""
