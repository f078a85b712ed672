"""The godos command."""
