"""`piekwacht dossier`: all that is known of an event or a period, in a file that proves itself."""
