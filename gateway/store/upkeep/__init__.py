"""Upkeep of the database: what TimescaleDB's scheduler should do, done by `piekwacht upkeep run`."""
