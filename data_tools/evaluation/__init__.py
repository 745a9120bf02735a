"""Figures by the published protocols, each task in its own module."""
