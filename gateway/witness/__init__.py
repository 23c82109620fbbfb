"""`piekwacht witness`: cosigns the heads of logs that only grew. It runs on `piekwacht[edge]`, so on a Pi."""
