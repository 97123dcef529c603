"""The kinds of faults, one module for each group. Importing this package fills the table ``case.KINDS``."""

from torture.kinds import answers, archive, documents, kills, lines, listings, local, resuming, sftp

__all__ = ["answers", "archive", "documents", "kills", "lines", "listings", "local", "resuming", "sftp"]
