"""The middleware between servers: SQS, or none."""
