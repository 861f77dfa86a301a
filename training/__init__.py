"""Training: one stage of one experiment, its folder, callbacks and optimizers."""
