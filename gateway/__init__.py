"""The gateway: ingest, quality, detection, store, live feed, public API and pages."""
