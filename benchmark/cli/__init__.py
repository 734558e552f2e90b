"""The command line."""

from .interruption import ending_on_ctrl_c


def main() -> None:
    """Run the command line; a user error prints one sentence and ends with exit code 2, Ctrl-C with exit code 130."""
    with ending_on_ctrl_c():
        from .app import run  # Ctrl-C may come while this is loading

        run()
