"""``python -m forebear``."""

from forebear.cli import main

if __name__ == "__main__":
    main()
