"""The one way in which gitops-ml tells a person that something cannot go on."""


class Fault(Exception):
    """What happened, why it matters, and the line or command that fixes it.

    The command line prints the text behind ``error:`` and exits with 1. Raise it before anything is written.
    """
