"""``python -m specweave``: the same as ``sw``."""

from specweave.cli.main import main

if __name__ == "__main__":
    main()
