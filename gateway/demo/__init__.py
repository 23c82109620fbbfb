"""`piekwacht demo`: the whole of Piekwacht on one laptop, with nothing installed but Python.

A broker, a database, the gateway with API and alerting, an inspectorate's mailbox and webhook, and
nodes as real agent processes. It ends with an account: what the nodes made against what is stored.
"""
