"""Shipped weights, and the names and layouts of official files."""
