"""Lightloop: data set in; deployed, explained, monitored, self-retraining model out."""
