"""The metrics of this machine, read with psutil."""
