"""Readers: one published data set layout each, all giving the same `Picture` records."""
