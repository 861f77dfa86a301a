"""What every family is: the base class and what it is made of."""
