"""Which pixels a prediction rests on, by Captum, and the checks that say whether to believe it."""
