"""A page with a brush, and the HTTP service behind it."""
