"""The steps by which the tables of a record became what they are."""
