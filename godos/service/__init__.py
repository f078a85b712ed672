"""What twistd starts: options, and the only place that picks implementations."""
