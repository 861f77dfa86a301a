"""The only folder that knows TensorFlow from JAX."""
