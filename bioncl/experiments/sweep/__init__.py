"""Sweeps: many runs, in this process, on the cores of this machine or on a cluster.

    settings × seeds ─► jobs (one address each) ─► workers ─► runs/<address>/result.json

`jobs` says what a job is and where it stands, `work` does one and returns its outcome, `workers`
hands jobs to a pool and yields outcomes as they come, `engine` runs a whole list. A job is a pure
function of its settings, its seed and the code, so doing it again after a lost worker or a killed
driver costs time and changes nothing: a finished one is read, an interrupted one goes on after its
last whole task.
"""
