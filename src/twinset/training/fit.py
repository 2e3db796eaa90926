"""The loop that every recipe shares: batches → net → loss → optimizer, judged, written down, resumable."""

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from twinset.embedder import cores, in_order
from twinset.progress import SILENT, Progress
from twinset.store.lock import writing
from twinset.training import checkpoint, health, machine, schedule, validate
from twinset.training.assemble import accelerator_of, loss_of, net_of, optimizer_of, sampler_of, triplet_loss_of
from twinset.training.average import Average
from twinset.training.blend import Blend, Seen
from twinset.training.checkpoint import Kept, State
from twinset.training.data import Selection, TrainingData, gather
from twinset.training.draws import NOISE, generator
from twinset.training.feed import Feed, with_looks
from twinset.training.health import Finding, Guard
from twinset.training.journal import Journal
from twinset.training.loader import Loader
from twinset.training.losses import Loss, TripletLoss
from twinset.training.recipe import Recipe
from twinset.training.run import Run, begin, facts_of, make, usable
from twinset.training.sampler import Batch

_Batches = Generator[tuple[Batch, Tensor | Seen], None, None]

_LOG: Final = logging.getLogger(__name__)
_LOG_EVERY: Final = 10
"""Steps whose figures are written down as one row, their mean."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a run ended: `recall` (recall@1, 0-1) of the last state and of the `best`, None without validation."""

    run: Run
    steps: int
    photos: int
    recall: float | None
    best: float | None
    best_step: int
    stopped_early: bool
    seconds: float
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """`fit --json`."""
        return asdict(self) | {"run": str(self.run.folder)}


def fit(
    sources: Sequence[Path],
    out: Path,
    recipe: Recipe,
    *,
    net: nn.Module | None = None,
    loss: Loss | None = None,
    selection: Selection | None = None,
    resume: bool = False,
    progress: Progress = SILENT,
    say: Callable[[str], None] = _LOG.warning,
) -> Fitted:
    """Trains on manifests by a recipe, into the folder `out`; on a GPU where there is one.

    `net` replaces the recipe's: any module from uint8 `(N, size, size, 3)` to `(N, D)`. `loss` replaces its
    loss: anything called as pytorch-metric-learning's are. With `resume` a run that was cut goes on, on a CPU bit
    for bit as if it had not been. `say` hears at once what was decided of the data, and what the guard finds.

    Raises:
        UsageError: `out` holds something else, or a setting that this machine or net cannot follow.
        PathError, ManifestError: the data cannot be used.
        DivergedError: the loss is no finite number any more.

    """
    begin(out, recipe, resume=resume)
    accelerator, selection, loss = accelerator_of(recipe), selection or Selection(), loss or loss_of(recipe)
    found = gather(sources, selection)
    torch.manual_seed(recipe.seed)
    module, prepare = net_of(recipe, net)
    make(out)
    with writing(out), machine.tuned(accelerator.device):
        run = begin(out, recipe, resume=resume)  # again, now that nobody else writes
        loader = Loader(found.files, prepare, recipe.box_margin)
        found = usable(run, found, loader, loss, progress)
        feed = Feed(recipe, sampler_of(recipe, found.parts), loader)
        if isinstance(module, Blend):
            module.to(accelerator.device)
            feed = with_looks(feed, module, found, run.looks, progress, done=checkpoint.done(run.last))
        training = _Training(run, feed, found, net=module, loss=loss, accelerator=accelerator, say=say)
        if not run.described:
            facts = facts_of(found, selection, module, loss, prepare)
            run.write(recipe, facts | {"environment": machine.facts(accelerator.device)}, found.faults)
        if found.faults:
            say(f"skipped {len(found.faults):,} of {found.rows:,} rows, see {run.skipped}")
        for note in training.notes:
            say(note)
        fitted = training.go(progress)
        feed.forget()
        return fitted


class _Training:
    """One run, from its last checkpoint or from the start."""

    def __init__(
        self, run: Run, feed: Feed, found: TrainingData, *,
        net: nn.Module, loss: Loss, accelerator: Accelerator, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._run, self._feed, self._validations = run, feed, found.validations
        recipe = feed.recipe
        self._recipe, self._sampler = recipe, feed.sampler
        self._net, self._accelerator = net.to(accelerator.device), accelerator
        self._steps = schedule.steps(recipe, self._sampler.size)
        self._loss, self._margin, self._say = loss, triplet_loss_of(recipe), say
        if isinstance(self._loss, nn.Module):
            self._loss.to(accelerator.device)
        plain = optimizer_of(recipe, net, self._loss)
        self._optimizer = accelerator.prepare(plain)
        self._average = Average(net, recipe.ema) if recipe.ema else None
        modules = {"net": net, "loss": self._loss, "average": self._average and self._average.net}
        kept = {name: module for name, module in modules.items() if isinstance(module, nn.Module)}
        self._kept = Kept(kept, plain, accelerator.scaler)
        self._state = State()
        self.notes = (*found.notes, *self._sampler.notes)

    def go(self, progress: Progress) -> Fitted:
        """Trains to the end."""
        if self._run.last.is_file():
            self._state = self._kept.restore(self._run.last)
        state, parts = self._state, self._recipe.accumulate
        told = [finding["code"] for finding in state.findings]
        self._guard = Guard(self._recipe.margin, triplet_loss=isinstance(self._loss, TripletLoss), told=told)
        left = range(state.step * parts, 0 if state.done else self._steps * parts)
        size = self._sampler.size
        progress.start("training", size.before(left.stop) - size.before(left.start) if left else 0)
        with closing(Journal(self._run.folder, state.step)) as journal:
            try:
                with closing(in_order(self._feed.load, left, ahead=cores() + 2)) as batches:
                    self._loop(batches, journal, progress)
            finally:
                progress.finish()
        return self._fitted()

    def _loop(self, batches: _Batches, journal: Journal, progress: Progress) -> None:
        state, recipe = self._state, self._recipe
        began = saved = time.monotonic()
        before = state.seconds
        measured = schedule.evaluations(recipe, self._steps, len(self._sampler))
        while not state.done:
            seen = self._step(batches, journal)
            state.step, state.photos = state.step + 1, state.photos + seen
            state.seconds = before + time.monotonic() - began
            progress.advance(seen)
            last = state.step == self._steps
            if state.step % _LOG_EVERY == 0 or last:
                self._write(journal)
            if last:
                self._tell(self._guard.judge(), state.step, journal)
            if state.step in measured:
                self._evaluate(journal)
                state.done = last or 0 < recipe.patience <= state.stale
            if state.step in measured or time.monotonic() - saved >= 60 * recipe.checkpoint_minutes:
                self._kept.save(self._run.last, state)
                journal.flush()
                saved = time.monotonic()

    def _step(self, batches: _Batches, journal: Journal) -> int:
        """One step of the optimizer; returns the photos seen."""
        state, recipe, device = self._state, self._recipe, self._accelerator.device
        self._net.train()
        share = schedule.factor(recipe, state.step, self._steps)
        for group in self._kept.optimizer.param_groups:
            group["lr"] = group["base"] * share
        seen = 0
        for part in range(recipe.accumulate):
            batch, taken = next(batches)
            seen += len(batch.photos)
            noise = generator(recipe.seed, NOISE, state.step, part)
            torch.manual_seed(int(noise.integers(2**63)))
            with self._accelerator.accumulate(self._net):
                self._accelerator.backward(self._lost(batch, taken.to(device), journal))
                self._optimizer.step()
                self._optimizer.zero_grad()
        if self._average:
            self._average.update(self._net, state.step)
        return seen

    def _lost(self, batch: Batch, taken: Tensor | Seen, journal: Journal) -> Tensor:
        """The loss of a batch; what it tells of the run's health is noted."""
        state, net = self._state, self._net
        beside = torch.zeros((), device=self._accelerator.device)
        with self._accelerator.autocast():
            if isinstance(net, Blend) and isinstance(taken, Seen):
                embeddings = net.learned_alone(taken)
                beside = net.gate_loss(taken, studio=batch.studio) + self._recipe.hold * net.strain()
            else:
                embeddings = net(taken).float()
        labels = torch.from_numpy(batch.labels).to(embeddings.device)
        indices = tuple(torch.from_numpy(index).to(embeddings.device) for index in batch.indices)
        loss = self._loss(embeddings, labels, indices) + beside
        reading = health.read(embeddings, labels, indices, loss, self._margin)
        self._tell(self._guard.look(reading, state.step + 1), state.step + 1, journal)
        if reading.triplets:
            state.readings.append(reading)
        return loss

    def _evaluate(self, journal: Journal) -> None:
        state = self._state
        net = self._average.net if self._average else self._net
        measured = validate.measure(net, self._validations, self._feed.loader, self._accelerator.device)
        if measured:
            figures = validate.recalls(measured)
            journal.write(state.step, figures)
            state.recall = figures["recall@1"]
        if state.recall is None or state.best is None or state.recall > state.best:
            state.best, state.best_step, state.stale = state.recall, state.step, 0
            facts = {"step": state.step, "measured": {name: part.to_json() for name, part in measured.items()}}
            checkpoint.save(self._run.best, net.state_dict(), facts)
        else:
            state.stale += 1

    def _write(self, journal: Journal) -> None:
        state = self._state
        facts = {
            "photos": state.photos,
            "rate": self._kept.optimizer.param_groups[-1]["lr"],
            "photos/s": round(state.photos / state.seconds, 1),
        }
        journal.write(state.step, health.mean(state.readings) | facts)
        state.readings.clear()

    def _tell(self, findings: Sequence[Finding], step: int, journal: Journal) -> None:
        for finding in findings:
            self._say(f"step {step:,}: {finding.message}: {finding.mend}")
            journal.write(step, {"finding": asdict(finding)})
            self._state.findings.append(asdict(finding))

    def _fitted(self) -> Fitted:
        state = self._state
        return Fitted(
            run=self._run,
            steps=state.step,
            photos=state.photos,
            recall=state.recall,
            best=state.best,
            best_step=state.best_step,
            stopped_early=state.step < self._steps,
            seconds=state.seconds,
            findings=tuple(Finding(**finding) for finding in state.findings),
            notes=self.notes,
        )
