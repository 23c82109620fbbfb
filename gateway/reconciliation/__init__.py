"""Complaints beside measured events: which fit in time, distance and wind, and whether that can be chance.

A complaint fits an event at most 30 minutes and at most 5 km away. It must also lie within 30 degrees of the direction
in which the air went from the station. Within 1 km, or if the event has no wind, every direction fits.

Persons are counted, not messages: of one person every complaint within one slot of half an hour is one. The four
counts are those of slots: with an event and a fitting complaint, with one of both, with neither.

The chance is that of the same complaints moved by whole days: same hours of the day, same places, another day's air.
It is the share of such moves in which at least as many persons fit.

A complaint after residents were notified of the event is counted apart: it can follow the message and not the smell.
"""
