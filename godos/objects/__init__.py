"""The use cases: put, get, head, delete, list, collect."""
