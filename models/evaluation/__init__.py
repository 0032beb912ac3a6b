"""How good scores are against labels: figures, pictures and agreement. Only offline commands import it.

Labels are read here and nowhere else, training with `--use-labels` apart.
"""
