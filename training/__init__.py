"""Training: the engine, the base model, checkpoints, callbacks."""
