"""The wire between the programs and everybody else: names, grammar, signatures, bodies. No I/O in here."""
