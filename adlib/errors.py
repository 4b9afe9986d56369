"""The one exception that means 'the input is wrong', as opposed to 'the program is wrong'."""


class InputError(ValueError):
    """Bad input: its message is one sentence that says what is wrong, where, and what to do.

    The command line prints that sentence without a traceback and exits with 2.
    """
