"""The simpler model that a network must beat, one for each kind of data."""
