"""An ensemble of two inpainters: denoisers, and a combiner in colours of HVI."""
