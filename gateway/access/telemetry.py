"""Prometheus counters of the access middleware and of signing in."""

from prometheus_client import Counter

REQUESTS = Counter("piekwacht_http_requests_total", "Requests answered, by status", ["status"])
REFUSED = Counter("piekwacht_http_refused_total", "Requests rejected by the access middleware, by reason", ["reason"])
SIGN_INS = Counter("piekwacht_sign_ins_total", "Attempts to sign in, by outcome", ["outcome"])
