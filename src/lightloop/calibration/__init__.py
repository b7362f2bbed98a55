"""From a network's answers to what is released: scaled probabilities, a decision, a set or interval, an abstention."""
