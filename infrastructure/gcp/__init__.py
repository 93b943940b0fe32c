"""Scripts that put Phoenix into a project of Google Cloud."""
