"""From a reading over a level to mark, event and notification."""
