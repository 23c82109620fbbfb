"""Tracks of mobile stations: positions, background, flags and cells. `follower` alone has a clock and a database."""
