"""Columns that several stores share."""
