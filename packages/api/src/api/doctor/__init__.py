"""The doctor: what a person would look at, in that order, and what mends it."""
