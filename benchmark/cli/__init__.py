"""The command line."""

from .interruption import ending_on_ctrl_c


def main() -> None:
    """Run the command line: a fault of the user's is one sentence and exit code 2, Ctrl-C is exit code 130."""
    with ending_on_ctrl_c():
        from .app import run  # Ctrl-C may come while it is loaded

        run()
