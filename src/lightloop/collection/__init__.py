"""Labelled answers of the service as new data: what a retraining learns from, and what it is judged by."""
