"""The operations of the S3 API, one module per subject."""
