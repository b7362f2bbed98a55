"""`python -m lightloop`."""

from lightloop.cli import main

main()
