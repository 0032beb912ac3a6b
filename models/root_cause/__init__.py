"""Which entity of an incident probably caused it: see `ranking.rank`."""
