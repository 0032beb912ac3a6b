"""The demo: everything that an installation has, on one machine, for two minutes."""
