"""Decisions without I/O: what follows from what arrived."""
