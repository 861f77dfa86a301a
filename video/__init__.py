"""Completing videos: what other frames show is carried along the optical flow."""
