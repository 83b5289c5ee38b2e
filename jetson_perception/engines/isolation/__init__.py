"""Engines in processes of their own, which can be ended whatever a driver does."""
