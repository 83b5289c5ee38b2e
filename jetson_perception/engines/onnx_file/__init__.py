"""An ONNX file: what it holds, and what is changed in it before it runs."""
