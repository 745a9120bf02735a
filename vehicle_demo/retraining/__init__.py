"""Corrections -> a new version of the heads, which a person promotes. Only fitting needs torch."""
