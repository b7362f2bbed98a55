"""The static site and the model card: evidence in, pages out. Nothing here computes what another stage computed."""
