"""`python -m hf_tome` is `hf-tome`."""

from hf_tome.cli import main

main()
