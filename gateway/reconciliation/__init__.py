"""Complaints beside measured events: which fit in time, distance and wind, and whether that can be chance.

A complaint fits an event if it lies at most 30 minutes from it, at most 5 km from its station, and within 30 degrees of
the direction that the air went from there. Within 1 km, or if the event has no wind, every direction fits.

Persons are counted, not messages: of one person every complaint within one slot of half an hour is one. The four
counts are those of slots: with an event and a fitting complaint, with one of both, with neither. The chance is that of
complaints moved by whole days, which have the same hours of the day and the same places and know nothing of the air:
`p` is the share of such moves in which at least as many persons fit.

A complaint after residents were notified of the event is counted apart: it can follow the message and not the smell.
"""
