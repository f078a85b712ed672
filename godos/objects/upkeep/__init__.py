"""Keeping blobs at target: mending, repair, census, and the long work of operators."""
