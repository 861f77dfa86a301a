"""What must hold under load, faults, bad input and attacks; see docs/reliability.md."""
