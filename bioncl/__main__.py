"""`python -m bioncl` is the command `bioncl`."""

from bioncl.cli.main import main

if __name__ == "__main__":
    main()
