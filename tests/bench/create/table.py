"""The figures, their limits and those of LXC, as a table for people."""

import statistics
import sys

HEAD = ("figure", "ours", "at most", "LXC", "held")


class Table:
    def __init__(self):
        self.rows = []
        self.peer = {}

    def add(self, figure, ours, limit, unit, detail=""):
        """A figure: one value, or several of which the median counts."""
        values = ours if isinstance(ours, list) else [ours]
        if len(values) > 1:
            detail = detail or f"{min(values):.0f} to {max(values):.0f}"
        row = {
            "figure": figure,
            "ours": statistics.median(values),
            "limit": limit,
            "unit": unit,
            "detail": detail,
        }
        self.rows.append(row)
        ours = measured(row["ours"], unit)
        print(f"  {figure}: {ours}" + (f"  ({row['detail']})" if row["detail"] else ""), file=sys.stderr)

    def beside(self, figure, values):
        """What LXC needs for a figure, whether that is in the table already or not."""
        self.peer[figure] = statistics.median(values)
        print(f"  {figure}: {self.peer[figure]:.0f}", file=sys.stderr)

    def held(self):
        return all(holds(row) is not False for row in self.rows)

    def show(self):
        lines = [HEAD] + [cells(row, self.peer.get(row["figure"])) for row in self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
        rule = "  ".join("─" * width for width in widths)
        for number, line in enumerate(lines):
            cell = [line[0].ljust(widths[0])]
            cell += [text.rjust(width) for text, width in zip(line[1:], widths[1:])]
            print("  ".join(cell).rstrip())
            if number == 0:
                print(rule)


def holds(row):
    return None if row["limit"] is None else row["ours"] <= row["limit"]


def cells(row, peer):
    unit = row["unit"]
    return (
        row["figure"],
        measured(row["ours"], unit),
        "" if row["limit"] is None else measured(row["limit"], unit),
        "" if peer is None else measured(peer, unit),
        {True: "yes", False: "NO", None: ""}[holds(row)],
    )


def measured(value, unit):
    digits = 1 if unit in ("MiB", "s") and value % 1 else 0
    return f"{value:.{digits}f} {unit}".strip()
