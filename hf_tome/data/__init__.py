"""Images, sounds and clips with their classes, the classifiers that take them, and those that the package brings."""
