"""Values of other networks as context beside a curve: KNMI and Luchtmeetnet, from their APIs or from saved files.

They are stored in their own table, shown with their source, and never mixed with the means of stations here.
"""
