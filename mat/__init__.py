"""MAT: large holes completed by a transformer that knows what is known."""
