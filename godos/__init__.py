"""godos: an object store whose 200 means durable."""

__version__ = "0.1.0"
