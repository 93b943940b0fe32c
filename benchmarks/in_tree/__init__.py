"""Scripts that run with the modules of whichever tree starts them."""
