"""The command line: one file a command, imported only when it is called.

`main` holds the table of commands, `lazy` imports them, `errors` turns whatever goes wrong into a
line and an exit code, `progress` draws bars, and `options` has what several commands share.
"""
