"""Where the builders of streams take their labelled data from.

One `DataSource` says where files are and what is held out for validation. The last two sets stay
loaded (as many as one stream needs), so that ten runs in one process read MNIST once. The files'
sizes and times are part of the key: a changed file is read anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.loader import DataChoice, Loader, make_loader
from bioncl.streams.labelled.validation import Validation, carve_validation
from bioncl.streams.stream import LabelledSet

Stamps = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class DataSource:
    """Labelled data, by name.

    Attributes:
        places: Where files are.
        validation: What to hold out of the training data; None holds out nothing.
    """

    places: DataPlaces = field(default_factory=DataPlaces)
    validation: Validation | None = None

    def labelled(self, choice: DataChoice) -> LabelledSet:
        """Load the set that `choice` names, with the validation part held out.

        The tensors are shared by all who ask: do not change them.

        Args:
            choice: A name, or a table of a name and settings.

        Raises:
            InputError: The name or a setting is wrong.
            DataError: A file is missing or damaged.
        """
        loader = make_loader(choice)
        stats = [(path, path.stat()) for path in loader.paths(self.places)]
        stamps = tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)
        return _loaded(loader, stamps, self.places, self.validation)


@lru_cache(maxsize=2)
def _loaded(
    loader: Loader, stamps: Stamps, places: DataPlaces, validation: Validation | None
) -> LabelledSet:
    labelled = loader.load(places)
    if validation is None:
        return labelled
    return carve_validation(labelled, validation.fraction, validation.seed, validation.evaluate_on)
