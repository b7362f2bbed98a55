"""DataModules and the preprocessing that they carry. `records` needs no torch, so serving and the data check use it."""
