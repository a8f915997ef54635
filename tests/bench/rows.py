"""What the table is made of, for people and for programs."""

import statistics
import typing


class Goal(typing.NamedTuple):
    """What waxseal is to reach: the value of a row, or that divided by a peer's, at most or at least."""

    row: str
    limit: float
    peer: str = ""
    least: bool = False

    def judge(self, rows):
        """(what there is, whether that will do); nothing when a row is not there."""
        values = {row.what: row.value for row in rows if not isinstance(row.value, str)}
        if self.row not in values or (self.peer and not values.get(self.peer)):
            return None
        value = values[self.row] / (values[self.peer] if self.peer else 1)
        return value, value >= self.limit if self.least else value <= self.limit

    def line(self, rows):
        what = self.row + (f" / {self.peer}" if self.peer else "")
        wanted = f"at {'least' if self.least else 'most'} {self.limit:.2f}"
        found = self.judge(rows)
        if not found:
            return f"  {what:<58} {'not measured':>12}  {wanted}"
        value, good = found
        far = "" if good else f", {value / self.limit:.2f} times that"
        return f"  {what:<58} {value:>12.2f}  {wanted}: {'reached' if good else 'missed'}{far}"

    def record(self, rows):
        value, good = self.judge(rows) or (None, None)
        return {**self._asdict(), "value": value, "reached": good}


class Figure(typing.NamedTuple):
    """A heading: what is measured in the rows below it, and what waxseal is to reach."""

    what: str
    target: str = ""
    goals: tuple = ()

    def line(self):
        return f"\n{self.what}" + (f"\n    to reach: {self.target}" if self.target else "")


class Row(typing.NamedTuple):
    """Who, the figure, its unit, and what one has to know to judge it."""

    what: str
    value: float | str
    unit: str = ""
    note: str = ""
    extra: dict = {}

    @classmethod
    def of(cls, what, runs, unit, note="", **extra):
        """The median of several runs, with their range."""
        return cls(what, statistics.median(runs), unit, note,
                   {"low": min(runs), "high": max(runs), "runs": list(runs), **extra})

    def line(self):
        value, spread = self.shown(self.value), ""
        if "low" in self.extra:
            spread = f"[{self.shown(self.extra['low'])} .. {self.shown(self.extra['high'])}]"
        ratio = self.extra.get("ratio")
        times = f"{ratio:.2f}" if ratio is not None else ""
        return (f"  {self.what:<34} {f'{value} {self.unit}'.strip():>14} {spread:<22} "
                f"{times:>5}  {self.note}").rstrip()

    def shown(self, value):
        """Three significant digits are more than the machine gives."""
        if isinstance(value, str):
            return value
        whole = isinstance(value, int) or value >= 100
        return f"{value:,.{0 if whole else 1 if value >= 10 else 2}f}"

    def record(self, part, figure):
        return {"part": part, "figure": figure.what, "target": figure.target, "what": self.what,
                "value": self.value, "unit": self.unit, "note": self.note, **self.extra}


def left_out(what, why):
    return Row(what, "left out", "", str(why))


def compared(rows, mine):
    """Rows with waxseal's median divided by theirs; its own has none."""
    for row in rows:
        if row.what == mine.what or not isinstance(row.value, (int, float)) or not row.value:
            yield row
        else:
            yield row._replace(extra={**row.extra, "ratio": mine.value / row.value})
