"""One line of the table, for people and for programs."""

import typing


class Row(typing.NamedTuple):
    """What was measured, the figure, its unit, and what one has to know to judge it."""

    what: str
    value: float | str
    unit: str = ""
    note: str = ""
    extra: dict = {}

    def line(self):
        figure = self.value if isinstance(self.value, str) else f"{self.value:,.{self.places()}f}"
        return f"{self.what:<56} {f'{figure} {self.unit}'.strip():>13}  {self.note}"

    def places(self):
        """Three significant digits are more than the machine gives."""
        return 0 if self.unit in ("", "µs") or self.value >= 1000 else 1 if self.value >= 10 else 2

    def record(self, part):
        return {"part": part, "what": self.what, "value": self.value, "unit": self.unit,
                "note": self.note, **self.extra}
