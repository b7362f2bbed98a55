"""One table in; a trained, evaluated, explained, gated and released model out. The stages are the modules, in order."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read by ONNX Runtime when it is loaded
