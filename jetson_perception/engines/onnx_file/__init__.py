"""Reads an ONNX file, and changes it before it runs."""
