"""One-time migration from the Celery system."""
