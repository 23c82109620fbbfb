"""Alerting: from an alert in the inbox to a person who acts on it, with a record of every step."""
