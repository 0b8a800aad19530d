"""Instruments: ranges, samples and what is looked at before they are stored."""
