"""One table in; a trained, evaluated, explained, gated and released model out. The stages are the modules, in order."""
