"""Jobs that last a fraction of a second."""

import pytest

from bioncl.experiments.sweep.jobs import plan


@pytest.fixture
def jobs(settings):
    """A function that makes jobs with the seeds 0 to count − 1."""

    def make(count, *methods, **tables):
        return plan(settings(*(methods or ("rehearsal",)), **tables), range(count))

    return make
