"""Embeddings -> neighbours and figures."""
