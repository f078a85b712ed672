"""The operations on what configures a bucket: one module for each document."""
