"""Guest nodes: sensors of others, which post, publish or are polled. The gateway signs their batches as notary.

`inbox` commits what arrives, before the sender gets its answer. `notary` turns it into signed batches, which take the
same path as those of any node. `reception` judges a message without storing it.
"""
