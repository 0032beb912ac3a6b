"""Harmless versions of attacks on one's own machine, bounded in time, memory, files and reach. Standard library."""
