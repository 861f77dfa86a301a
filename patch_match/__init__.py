"""PatchMatch: holes filled from the picture itself, without weights or an engine."""
