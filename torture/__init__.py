"""Random faults of every kind against every connector: ``python -m torture``, and what it finds.

A case is one kind of fault. Everything about it is drawn from the seed and the number of the case, so that
each can be run again alone. ``kinds`` has one module for each group: a new kind is one function there.
``trial`` is a transfer under a fault, ``judge`` what must be true afterwards, whatever happened.
"""
