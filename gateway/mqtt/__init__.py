"""The part of MQTT 3.1.1 that ingest needs, with acknowledgement left to us. Why it is here: docs/adr/0007."""
