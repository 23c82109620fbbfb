"""`piekwacht verify` and `piekwacht log audit`: a stranger checks numbers and the whole log, without a network."""
