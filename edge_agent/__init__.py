"""The node: sensors, sampler, durable spool, publisher; and `wire`, the contract it speaks."""
