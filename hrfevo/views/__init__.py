"""How results are shown: in a terminal, as figures, on a page, live, as files."""
