"""Firebase Authentication and Google-signed tokens."""
