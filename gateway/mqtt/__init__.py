"""The part of MQTT 3.1.1 that ingest needs, with explicit acknowledgement. Reason: docs/adr/0007."""
