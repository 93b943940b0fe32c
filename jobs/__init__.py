"""The jobs: each run works on one creation and ends."""
