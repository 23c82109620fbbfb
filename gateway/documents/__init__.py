"""Parts that documents for people share: the database as of one moment, and the PDF. Dossiers and reports use them."""
