"""Published levels of air quality, and how often means of sensors are at or above them. Pure."""
