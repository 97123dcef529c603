"""Random faults of every kind against every connector: ``python -m torture``.

A case is one kind of fault. The seed and the number of the case determine all of it, so that each can be
repeated alone. ``kinds`` has one module for each group: a new kind is one function there. ``trial`` is a
transfer under a fault, ``judge`` checks what must always be true afterwards.
"""
