"""TensorRT: builds engines, keeps them in a cache, and runs them."""
