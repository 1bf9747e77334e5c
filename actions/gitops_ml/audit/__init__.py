"""Looks at everything that should agree with the pointers on main, and names what does not. It mends nothing."""
