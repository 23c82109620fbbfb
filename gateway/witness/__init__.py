"""`piekwacht witness`: cosigns the heads of logs that only ever grew. It runs on `piekwacht[edge]`, for example on a Pi."""
