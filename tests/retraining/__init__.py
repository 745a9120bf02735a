"""Tests of the room retraining."""
