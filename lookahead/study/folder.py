"""A study's folder: a run file for every prompt, and an SQLite table with a row for every prompt, written as they come.

``runs/0001.json`` ... are run files (plain decoding beside the run, if it was run); ``study.sqlite`` has the table
``prompts``, and the table ``about`` with what the study was made with, so that only the same study continues it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lookahead.atomic import write_whole
from lookahead.costs import PassCosts
from lookahead.inputs import InputError, excerpt
from lookahead.process import uninterrupted
from lookahead.runs import runfile
from lookahead.runs.runfile import RunPair
from lookahead.study.material import Sample, sample_of
from lookahead.study.result import Row

TABLE = "study.sqlite"
RUNS = "runs"
FORMAT, VERSION = "lookahead-study-folder", 1
NUMBERS = ("tokens", "passes", "tokens_per_pass", "drafted", "accepted", "empty", "wasted")
TIMES = ("seconds", "plain_seconds", "speedup", "modelled_seconds", "modelled_speedup")
"""Columns of a row of the result that the table has, too."""
_COLUMNS = ("name", "category", "text", "digest", "run", "problem", "near_ties", *NUMBERS, *TIMES)


class StudyFolder:
    """One study's folder, open for reading and, after ``resumed``, for writing."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path, self._database = path, database

    @classmethod
    def opened(cls, path: str | os.PathLike[str]) -> StudyFolder:
        """The study in a folder.

        Raises:
            InputError: If it holds none, or one of another version.
        """
        table = Path(path) / TABLE
        try:
            database = sqlite3.connect(f"file:{table.absolute().as_posix()}?mode=rw", uri=True)
            found = cls(Path(path), database)
            header = (found.about("format"), found.about("version"))
        except (sqlite3.Error, ValueError) as error:
            raise InputError(f"{table}: cannot be read as the table of a study ({excerpt(error)})") from None
        if header != (FORMAT, VERSION):
            raise InputError(f"{table}: not the table of a study of this version")
        return found

    @classmethod
    def resumed(
        cls, path: str | os.PathLike[str], settings: Mapping[str, Any], samples: Sequence[Sample]
    ) -> StudyFolder:
        """The study in this folder, which is made if it is not there.

        Raises:
            InputError: If the folder holds something else, or a study of other prompts or settings.
        """
        path = Path(path)
        if not (path / TABLE).exists() or (path / TABLE).stat().st_size == 0:
            return cls._made(path, settings)
        found = cls.opened(path)
        found._check(settings, samples)
        return found

    @classmethod
    def _made(cls, path: Path, settings: Mapping[str, Any]) -> StudyFolder:
        try:
            if path.exists() and any(entry.name not in (TABLE, RUNS) for entry in path.iterdir()):
                raise InputError(f"{path}: holds other things than a study; name another folder with --out")
            (path / RUNS).mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path / TABLE)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"{path}: cannot be made a folder for the runs ({error}); name one with --out") from None
        made = cls(path, database)
        about = {"format": FORMAT, "version": VERSION, "settings": dict(settings)}
        with made._writing() as table:
            table.execute("BEGIN")  # all or nothing: a table without its settings could not be resumed
            table.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT)")
            table.execute(f"CREATE TABLE prompts (place INTEGER PRIMARY KEY, {', '.join(_COLUMNS)})")
            table.executemany("INSERT INTO about VALUES (?, ?)", [(key, json.dumps(one)) for key, one in about.items()])
        return made

    def _check(self, settings: Mapping[str, Any], samples: Sequence[Sample]) -> None:
        """Raise InputError unless the folder's study has these settings and prompts."""
        before, now = self.about("settings") or {}, json.loads(json.dumps(dict(settings)))
        for name in [*now, *(before.keys() - now.keys())]:
            if before.get(name) != now.get(name):
                raise InputError(
                    f"{self.path}: its study has {name}={excerpt(before.get(name), 40)}, now it is "
                    f"{excerpt(now.get(name), 40)}; use the same settings, or another folder (--out)"
                )
        digests = dict(self._rows("place, digest"))
        for place, sample in enumerate(samples, start=1):
            if digests.get(place, digest := digest_of(sample)) != digest:
                raise InputError(
                    f"{self.path}: its prompt {place} is another one than {sample.name}; use the same prompts, or "
                    "another folder (--out)"
                )

    def about(self, name: str) -> Any:
        """What was noted under this name; None if nothing was."""
        found = self._database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if found is None else json.loads(found[0])

    def note(self, name: str, value: Any) -> None:
        """Remember something about the study."""
        with self._writing() as table:
            table.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, json.dumps(value)))

    @property
    def pass_costs(self) -> PassCosts | None:
        """T(n) by which the study's runs choose their widths; None if none was noted."""
        noted = self.about("pass_costs")
        return None if noted is None else PassCosts(tuple(noted["lengths"]), tuple(noted["seconds"]))

    def done(self) -> set[int]:
        """Places (from 1) of the prompts that have run."""
        return {place for (place,) in self._rows("place", "WHERE run IS NOT NULL")}

    def problems(self) -> list[str]:
        """A line for every prompt that could not run."""
        found = self._rows("name, problem", "WHERE problem IS NOT NULL")
        return [f"{name} did not run: {problem}" for name, problem in found]

    def samples(self) -> Iterator[Sample]:
        """The prompts that have run, in order, each with its run.

        Raises:
            InputError: If a run file is missing or damaged.
        """
        yield from map(self.sample, sorted(self.done()))

    def sample(self, place: int) -> Sample:
        """The prompt at this place (from 1), with its run.

        Raises:
            InputError: If its run file is missing or damaged.
        """
        columns = "name, category, text, run, near_ties"
        ((name, category, text, run, near_ties),) = self._rows(columns, f"WHERE place = {place:d}")
        pair = runfile.load_pair(self.path / RUNS / os.path.basename(run))
        known = Sample(name, (), text=text, category=category, near_ties=near_ties, run_file=run)
        return sample_of(known, pair)

    def _rows(self, columns: str, where: str = "") -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(f"SELECT {columns} FROM prompts {where} ORDER BY place").fetchall()
        except sqlite3.Error as error:
            raise InputError(f"{self.path / TABLE}: cannot be read ({error})") from None

    def add(self, place: int, sample: Sample, pair: RunPair, row: Row) -> Sample:
        """Write the run file of a prompt, then its row; returns the sample with the file's name.

        Raises:
            OSError: If the disk is full, for example.
            RunFileError: If the run is too large for a run file.
        """
        name = f"{place:04}.json"
        with uninterrupted():
            text, path = runfile.to_json(pair.run, pair.greedy, pair.parted), self.path / RUNS / name
            try:
                write_whole(path, text.encode())
            except OSError as error:  # no prompt's fault: it ends the study
                raise OSError(f"{path}: cannot be written ({error.strerror or error})") from None
            sample = replace(sample, run_file=name)
            numbers = {column: getattr(row, column) for column in (*NUMBERS, *TIMES)}
            self._add(place, sample, run=name, near_ties=sample.near_ties, **numbers)
        return sample

    def add_problem(self, place: int, sample: Sample, problem: str) -> None:
        """Write the row of a prompt that could not run."""
        with uninterrupted():
            self._add(place, sample, problem=problem)

    def _add(self, place: int, sample: Sample, **values: Any) -> None:
        known = {"name": sample.name, "category": sample.category, "text": sample.text, "digest": digest_of(sample)}
        row = [place, *((known | values).get(column) for column in _COLUMNS)]
        with self._writing() as table:
            table.execute(f"INSERT OR REPLACE INTO prompts VALUES ({', '.join('?' * len(row))})", row)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The table, what is written to it kept at the end."""
        try:
            with self._database:
                yield self._database
        except sqlite3.Error as error:
            raise OSError(f"{self.path / TABLE}: cannot be written ({error})") from None

    def close(self) -> None:
        """Close the table. Safe to call twice."""
        self._database.close()


def digest_of(sample: Sample) -> str:
    """A digest of what a prompt asks: its text, or its ids if there is no text."""
    asked = sample.text or json.dumps(sample.prompt_ids)
    return hashlib.sha256(asked.encode()).hexdigest()[:16]
