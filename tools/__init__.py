"""Scripts that make the shipped weights, numbers and pages."""
