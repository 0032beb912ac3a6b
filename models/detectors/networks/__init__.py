"""Small networks that say what a row should have been: each once in JAX, which trains it, and once as an ONNX graph."""
