"""The ports' adapters, `<how>_<port>.py`: the only place where a vendor is imported."""
