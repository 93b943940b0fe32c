"""The sample generator: media without a model."""
