"""RED connectors: move one file or directory between a data store and the local file system."""

__version__ = "1.0.0"
