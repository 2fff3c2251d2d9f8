"""The page, as a browser reads it: served as it lies here."""
