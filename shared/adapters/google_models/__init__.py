"""Google's image and video models."""
