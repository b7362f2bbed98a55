"""Answering with a bundle: NumPy, Pillow and ONNX Runtime, never torch."""
