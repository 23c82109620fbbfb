"""`make pictures`: run the demo and make the pictures in docs/images again, so that they show the present pages.

A picture is a row in `list.py`. `stage.py` runs the demo, subscribes a resident and waits for a peak. `camera.py` opens
the page of each row in Chromium and writes a small PNG. `tests/test_pictures.py` compares the rows with the documents.
"""
