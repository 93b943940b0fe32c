"""Environments of processes."""

GCP = {
    "PHOENIX_BACKEND": "gcp",
    "PHOENIX_BASE_URL": "https://api.example",
    "GOOGLE_CLOUD_PROJECT": "phoenix-test",
    "PHOENIX_FIREBASE_API_KEY": "web-key",
    "PHOENIX_REGION": "europe-west1",
    "PHOENIX_TASKS_INVOKER": "tasks@phoenix-test.iam.gserviceaccount.com",
    "PHOENIX_INTERNAL_AUDIENCE": "https://phoenix.example/internal",
    "PHOENIX_INTERNAL_ACCOUNTS": "scheduler@phoenix-test.iam.gserviceaccount.com",
    "PHOENIX_GENERATOR_BUCKET": "phoenix-test-generated",
    "R2_ENDPOINT_URL": "https://account.r2.cloudflarestorage.com",
    "R2_ACCESS_KEY_ID": "key",
    "R2_SECRET_ACCESS_KEY": "very-secret",
    "R2_DRAFTS_BUCKET_NAME": "drafts",
    "R2_BUCKET_NAME": "public",
    "R2_PUBLIC_URL": "https://media.example",
}
"""All required settings of the GCPBackend."""

SERVICE = GCP | {"K_SERVICE": "phoenix-api"}
"""The API in the cloud."""
JOB = GCP | {"CLOUD_RUN_JOB": "video-generation-job"}
"""A job in the cloud."""

DEAD_PROXY = dict.fromkeys(
    ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
    "http://127.0.0.1:1",
)
"""Proxy settings that fail every request sent through them: port 1 refuses connections."""
