"""The options of a merge, one registry each: what tokens are compared by, which merge, what a group becomes."""
