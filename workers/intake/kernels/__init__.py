"""Compiled loops over the bytes of wire formats."""
