"""Generative multi-column convolutional neural network (GMCNN)."""
