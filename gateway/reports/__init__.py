"""`piekwacht report`: what happened in an area over a period, for the people around the table and for the authority."""
