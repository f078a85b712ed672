"""Tests of godos."""
