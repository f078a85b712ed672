"""HTTP: from requests to use cases and back."""
