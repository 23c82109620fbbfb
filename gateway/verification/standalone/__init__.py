"""`verify.py`: one file that checks evidence with Python's standard library alone; a dossier contains it."""
