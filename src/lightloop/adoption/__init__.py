"""A data set of one's own: read what lies there, guess what it is, warn, write configs, place it, try it."""
