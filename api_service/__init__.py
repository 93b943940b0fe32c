"""The HTTP API: parse the request, call the lifecycle once, return its result."""

VERSION = "0.1.0"  # the project's version; images contain no package metadata
