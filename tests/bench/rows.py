"""What the table is made of, for people and for programs."""

import statistics
import typing


class Figure(typing.NamedTuple):
    """A heading: what is measured in the rows below it, and what waxseal is to reach."""

    what: str
    target: str = ""

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
