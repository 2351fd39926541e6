"""The work on one image of many, which is the same on any machine."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial

from crispseg.data.intensity import ValueRange
from crispseg.errors import InputError, naming, one_line
from crispseg.grid import Grid
from crispseg.inference.crf import DenseCRF
from crispseg.inference.one_image import sharpen_one
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.steady import SteadySharpener
from crispseg.inference.tiles import Done
from crispseg.jobs.clips import clip_of
from crispseg.jobs.job import Job, JobInputs, read_inputs
from crispseg.jobs.outcome import Failed, Outcome, Written, attempt
from crispseg.jobs.outputs import Outputs
from crispseg.process_memory import settle
from crispseg.scores import Scores


@dataclass(frozen=True)
class JobSharpener:
    """A callable that reads the files of an image, sharpens it, and writes the outputs."""

    sharpener: Sharpener | None
    crf: DenseCRF | None
    scores: Scores | None
    outputs: Outputs
    memory: str | None = None
    grid: Grid | None = None
    value_range: ValueRange = "auto"
    begin: Callable[[], None] | None = None
    """Called before the first output is written."""
    steady: SteadySharpener | None = None
    """Sharpens the images of a folder as the frames of a clip, in the order of the calls."""
    done: Done | None = None
    """Called after each tile with the share of its image that is done."""

    @property
    def read(self) -> Callable[[Job], JobInputs]:
        """A function that reads the files of an image; other processes can take it without the sharpener."""
        return partial(read_inputs, kind=self.scores, grid=self.grid, value_range=self.value_range)

    def __call__(self, job: Job) -> Written | Failed:
        """Read, sharpen and write one image.

        Raises:
            OutputError: If the output cannot be written.
        """
        return self.finish(job, attempt(self.read, job))

    def finish(self, job: Job, inputs: JobInputs | InputError) -> Written | Failed:
        """Sharpen and write the inputs of one image; an error in place of the inputs makes the job fail.

        Raises:
            OutputError: If the output cannot be written.
        """
        sharpen = self._sharpen if self.steady is None else self._sharpen_frame
        written = inputs if isinstance(inputs, InputError) else attempt(sharpen, job, inputs)
        settle()
        return Failed(job.image, one_line(written)) if isinstance(written, InputError) else written

    def _sharpen_frame(self, job: Job, inputs: JobInputs) -> Written:
        """Sharpen and write the next frame of the clip of its folder; one that fails does not count."""
        assert self.steady is not None, "the caller has checked it"
        with self.steady.frame_of(clip_of(job)):
            with naming(job.prediction):
                joined = self.steady.joined(inputs.prediction)
            return self._sharpen(job, inputs._replace(prediction=joined))

    def _sharpen(self, job: Job, inputs: JobInputs) -> Written:
        image, prediction, boundary = inputs
        with naming(job.prediction):
            result = sharpen_one(
                image,
                prediction,
                self.sharpener,
                boundary,
                steady=self.steady,
                crf=self.crf,
                memory=self.memory,
                done=self.done or (lambda share: None),
                keep_scores=self.outputs.scores,
            )
        if self.begin is not None:
            self.begin()
        labels = self.outputs.write(job.name, image, prediction, result)
        changed = int((result.before != result.after).sum()) / result.after.numel()
        return Written(job.image, labels, changed, result.seconds)


Runner = Callable[[Sequence[Job], JobSharpener], Generator[Outcome]]
"""A function that runs the jobs: `ThisMachine` or `RayCluster`."""
