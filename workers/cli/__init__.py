"""The `faultline` command."""
