"""Compares the connectors with the alternatives, side by side in one run."""
