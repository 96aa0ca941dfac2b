"""A comparison, told: in the terminal, as JSON, as one static HTML page; and told again from its own record."""
