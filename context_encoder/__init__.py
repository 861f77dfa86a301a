"""Context encoders."""
