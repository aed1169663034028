"""Drawings that belong to one chapter each."""
