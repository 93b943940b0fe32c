"""The HTTP face: translate in, call the lifecycle once, translate out."""
