"""What runs in a patched model: its towers, layers and attention, and the state of each forward."""
