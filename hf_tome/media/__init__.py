"""Files of images, sounds and videos: a path in, plain data out."""
