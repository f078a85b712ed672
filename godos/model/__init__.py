"""Nouns, promises and errors of godos.  Nothing here does I/O."""
