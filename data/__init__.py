"""Pictures, masks and the pairs of both that training and evaluation use."""
