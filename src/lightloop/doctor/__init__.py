"""`lightloop doctor`: what is well with machine, packages, git, data and accounts, and what to do about the rest."""
