"""The toy of Tadros et al. 2022: four binary images that share some of their pixels.

Of width² pixels, `overlap` are on in all four images, and each image has floor(width²/6) - overlap
pixels of its own (the published script does not round; here it is the floor). The first two images
are one task, the last two another, and test data is training data. Places of pixels do not matter
to a fully connected network, so they are simply dealt out in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.errors import DataError, describe
from bioncl.streams.scenario import check_scenario, listed
from bioncl.streams.source import DataSource
from bioncl.streams.stream import Examples, Stream, Task

IMAGES = 4
PER_TASK = 2


@dataclass(frozen=True)
class Patches:
    """Four overlapping binary images in two tasks.

    Attributes:
        width: Side of the square images, in pixels.
        overlap: Pixels shared by all four; less than floor(width²/6).
        scenario: Always "class".
    """

    width: Annotated[int, Ge(3)] = 11
    overlap: Annotated[int, Ge(0)] = 12
    scenario: Literal["class"] = "class"

    def build(self, source: DataSource, seed: int) -> Stream:
        """Make the stream; it reads no data and nothing in it is left to chance.

        Raises:
            DataError: The overlap leaves the images no pixels of their own.
        """
        check_scenario("patches", self.scenario, ("class",))
        images = patches(self.width, self.overlap)

        def build(index: int) -> Task:
            outputs = tuple(range(index * PER_TASK, (index + 1) * PER_TASK))
            labels = torch.tensor(outputs)
            examples = Examples(images[labels], labels)
            return Task(index, outputs, examples, examples, listed("images", outputs))

        return Stream(
            name="patches",
            scenario=self.scenario,
            outputs=IMAGES,
            input_shape=(1, self.width, self.width),
            length=IMAGES // PER_TASK,
            build=build,
        )


def patches(width: int, overlap: int) -> Tensor:
    """The four images: float32 [4, 1, width, width] of zeros and ones.

    Raises:
        DataError: The overlap is negative, or leaves the images no pixels of their own.
    """
    lit = width * width // 6
    if not 0 <= overlap < lit:
        what, expected = f"Overlap of patches of width {width}", f"0 to {lit - 1}"
        raise DataError(describe(what, expected=expected, got=overlap))
    own = lit - overlap
    images = torch.zeros(IMAGES, width * width)
    images[:, :overlap] = 1
    for index in range(IMAGES):
        start = overlap + index * own
        images[index, start : start + own] = 1
    return images.reshape(IMAGES, 1, width, width)
