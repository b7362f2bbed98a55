"""Looking at the model from outside: what disturbs it, what its data are like, what other data would give."""
