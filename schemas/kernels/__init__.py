"""Compiled loops over the bytes of a whole batch. They know bytes, spans and codes; what is around them knows records.

Every function reads `buf`, the bytes of all records put end to end, between a `pos` and an `end` that it never passes.
Readers return the new position last; a negative one is a failure, as `codes.py` numbers them. Nothing here raises.
"""
