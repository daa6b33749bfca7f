"""Folders of trained entries: config, weights, and a card with what was measured."""
