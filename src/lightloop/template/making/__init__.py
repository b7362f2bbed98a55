"""What makes a project of the template. A project that was made has no use for it, so it goes at `init`."""
