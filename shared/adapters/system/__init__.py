"""The operating system: time and randomness."""
