"""Rotated streams: each task turns all images by one angle.

GEM (Lopez-Paz, Ranzato 2017) draws the angle of task k within the k-th of equal bins of 0..180
degrees; Mirzadeh et al. 2020 use multiples of 10 degrees, OGD (Farajtabar et al. 2020) of 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Len
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from bioncl.errors import DataError, describe
from bioncl.seeding import numpy_generator
from bioncl.streams.labelled.loader import DataChoice
from bioncl.streams.scenario import check_scenario
from bioncl.streams.source import DataSource
from bioncl.streams.stream import Scenario, Stream
from bioncl.streams.whole import WholeSets


@dataclass(frozen=True)
class Rotated:
    """Each task turns the images by an angle, in degrees, counter-clockwise.

    At most one of `angles`, `step` and `max_angle` may be given; without any, max_angle is 180.

    Attributes:
        data: Data set of images [channels, height, width]: a name, or a table.
        scenario: "domain" (usual): tasks share the outputs; else each task has its own.
        tasks: Number of tasks; 5, or as many as there are `angles`.
        angles: The angle of each task.
        step: Task k turns by k times this.
        max_angle: Task k's angle is drawn within the k-th of `tasks` equal bins of 0..max_angle.
        train_per_task: Number of training examples of each task; all by default.
        train_draw: "first" takes the first of the set, the same images in each task; "random"
            draws them anew for each task, as in GEM's code.
        test_per_task: Take the first n test examples of each task.
    """

    data: DataChoice = "mnist"
    scenario: Scenario = "domain"
    tasks: Annotated[int, Ge(1)] | None = None
    angles: Annotated[tuple[float, ...], Len(1)] | None = None
    step: float | None = None
    max_angle: Annotated[float, Gt(0)] | None = None
    train_per_task: Annotated[int, Ge(1)] | None = None
    train_draw: Literal["first", "random"] = "first"
    test_per_task: Annotated[int, Ge(1)] | None = None

    def build(self, source: DataSource, seed: int) -> Stream:
        """Make the stream.

        Raises:
            DataError: The angles contradict each other, the data is not images, or is missing.
        """
        check_scenario("rotated", self.scenario)
        angles = self.drawn_angles(seed)
        labelled = source.labelled(self.data)
        if len(labelled.input_shape) != 3:
            what, expected = f"Inputs of {labelled.name}", "images [channels, height, width]"
            raise DataError(describe(what, expected=expected, got=list(labelled.input_shape)))

        def change(x: Tensor, index: int) -> Tensor:
            return rotate(x, angles[index])

        whole = WholeSets(
            f"rotated-{labelled.name}",
            self.scenario,
            self.train_per_task,
            self.test_per_task,
            draw_seed=seed if self.train_draw == "random" else None,
        )
        names = [f"turned by {angle:.4g} degrees" for angle in angles]
        return whole.stream([labelled] * len(angles), names, change)

    def drawn_angles(self, seed: int) -> list[float]:
        """The angle of each task, in degrees.

        Raises:
            DataError: More than one way to choose angles is given, or tasks and angles differ.
        """
        ways = {"angles": self.angles, "step": self.step, "max_angle": self.max_angle}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1:
            expected = "one of angles, step and max_angle"
            raise DataError(describe("Rotated stream", expected=expected, got=given))
        if self.angles is not None:
            if not self.angles or self.tasks not in (None, len(self.angles)):
                tasks_or_more = self.tasks or "one or more"
                got = len(self.angles)
                raise DataError(describe("Number of angles", expected=tasks_or_more, got=got))
            return list(self.angles)
        tasks = 5 if self.tasks is None else self.tasks
        if self.step is not None:
            return [index * self.step for index in range(tasks)]
        width = (180.0 if self.max_angle is None else self.max_angle) / tasks
        within = numpy_generator(seed, "rotated", "angles").random(tasks)
        return [(index + float(share)) * width for index, share in enumerate(within)]


def rotate(x: Tensor, degrees: float) -> Tensor:
    """Turn images about their centre, counter-clockwise, bilinearly; outside is 0.

    Args:
        x: Images [n, channels, height, width].
        degrees: The angle.

    Returns:
        Images of the same shape.
    """
    if degrees % 360 == 0:
        return x
    count, channels, height, width = x.shape
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # grid coordinates run from -1 to 1 along either side, so a shear appears if sides differ
    matrix = torch.tensor([[cos, -sin * height / width, 0], [sin * width / height, cos, 0]])
    grid = affine_grid(matrix[None].to(x), [1, 1, height, width], align_corners=False)
    # all images stand as channels of one, so that the grid is made and read once
    turned = grid_sample(x.reshape(1, count * channels, height, width), grid, align_corners=False)
    return turned.reshape(x.shape)
