"""A report for people, with the same numbers for machines."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from html import escape

from vae_course.diagnosis.reading import Reading

FAILED = "it failed when asked"  # how the reason of such an instrument begins


@dataclass(frozen=True)
class Report:
    """What an examination found.

    Args:
        subject: the model's class.
        readings: of all instruments that were used.
        unasked: instrument → why it had nothing to measure.
        images: how many were looked at.
        seconds: that it took.
    """

    subject: str
    readings: tuple[Reading, ...]
    unasked: dict[str, str] = field(default_factory=dict)
    images: int = 0
    seconds: float = 0.0

    @property
    def findings(self) -> tuple[Reading, ...]:
        """The readings outside their band."""
        return tuple(r for r in self.readings if not r.healthy)

    @property
    def healthy(self) -> bool:
        """Whether there is no finding."""
        return not self.findings

    @property
    def named(self) -> tuple[str, ...]:
        """The instruments that found something, in their order."""
        return tuple(dict.fromkeys(r.instrument for r in self.findings))

    @property
    def used(self) -> tuple[str, ...]:
        """The instruments that measured something."""
        return tuple(dict.fromkeys(r.instrument for r in self.readings))

    @property
    def failed(self) -> tuple[str, ...]:
        """The instruments that an error of the subject stopped."""
        return tuple(
            name
            for name, reason in self.unasked.items()
            if reason.startswith(FAILED)
        )

    def __getitem__(self, what: str) -> Reading:
        """The first reading whose description begins like this.

        Raises:
            KeyError: there is none.
        """
        for reading in self.readings:
            if reading.what.startswith(what):
                return reading
        raise KeyError(f"no reading begins with {what!r}")

    @property
    def summary(self) -> str:
        """One sentence."""
        judged = sum(r.judged for r in self.readings)
        what = (
            f"{self.subject}: {len(self.used)} instruments, {judged} readings "
            "with a healthy band"
        )
        count = len(self.findings)
        where = f"{count} outside it" if count else "all inside it"
        failed = len(self.failed)
        if not failed:
            return f"{what}, {where}."
        are = "instrument" if failed == 1 else "instruments"
        return f"{what}, {where}; {failed} {are} failed when asked."

    def _grouped(self) -> list[list[Reading]]:
        """The findings, those of one instrument together."""
        return [
            [r for r in self.findings if r.instrument == name]
            for name in self.named
        ]

    def __str__(self) -> str:
        lines = [self.summary]
        for number, group in enumerate(self._grouped(), 1):
            lines += ["", f"{number}. {group[0].instrument}"]
            for r in group:
                lines += [
                    f"   {r.symptom or r.what}",
                    f"     {r.what}: {r.number} (healthy: {r.band})",
                ]
            for looks in dict.fromkeys(r.looks for r in group if r.looks):
                lines.append(f"   Meanwhile: {looks}")
            for chapter, link in dict.fromkeys(
                (r.chapter, r.link) for r in group
            ):
                lines.append(f"   Chapter {chapter}: {link}")
        if self.unasked:
            lines.append("")
            lines += [
                f"Not asked: {name}, for {reason}."
                for name, reason in self.unasked.items()
            ]
        return "\n".join(lines)

    def table(self) -> str:
        """Every reading, a line each."""
        width = max((len(r.what) for r in self.readings), default=0)
        return "\n".join(
            f"{' ' if r.healthy else '!'} {r.instrument:<10} "
            f"{r.what:<{width}}  {r.number:>12}  {r.band}"
            for r in self.readings
        )

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{escape(self.summary)}</strong></p>"]
        for group in self._grouped():
            items = "".join(
                f"<li>{escape(r.symptom or r.what)}<br>{escape(r.what)}: "
                f"<strong>{escape(r.number)}</strong>, healthy: "
                f"{escape(r.band)}.</li>"
                for r in group
            )
            looks = " ".join(dict.fromkeys(r.looks for r in group))
            links = ", ".join(
                f'<a href="{escape(link)}">chapter {chapter}</a>'
                for chapter, link in dict.fromkeys(
                    (r.chapter, r.link) for r in group
                )
            )
            parts.append(
                f"<p><strong>{escape(group[0].instrument)}</strong></p>"
                f"<ul>{items}</ul><p>Meanwhile: {escape(looks)} See {links}."
                "</p>"
            )
        rows = "".join(
            f"<tr><td>{escape(r.instrument)}</td><td>{escape(r.what)}</td>"
            f"<td>{escape(r.number)}</td><td>{escape(r.band)}</td></tr>"
            for r in self.readings
        )
        head = "".join(
            f'<th scope="col">{name}</th>'
            for name in ("Instrument", "What", "Number", "Healthy")
        )
        parts.append(
            "<details><summary>All readings</summary><table><thead><tr>"
            f"{head}</tr></thead><tbody>{rows}</tbody></table></details>"
        )
        if self.unasked:
            reasons = "; ".join(
                f"{name}: {reason}" for name, reason in self.unasked.items()
            )
            parts.append(f"<p>Not asked: {escape(reasons)}.</p>")
        return "".join(parts)

    def to_json(self) -> str:
        """Everything, for machines; :meth:`from_json` reads it back.

        A band's open end is null, and so is a number that is not finite.
        """
        content = {
            "subject": self.subject,
            "healthy": self.healthy,
            "named": list(self.named),
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "readings": [
                {
                    **{k: _plain(v) for k, v in asdict(r).items()},
                    "healthy": r.healthy,
                    "link": r.link,
                }
                for r in self.readings
            ],
            "unasked": self.unasked,
        }
        return json.dumps(content, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """The report that :meth:`to_json` wrote.

        Raises:
            ValueError: the text is no report.
        """
        open_ends = {"low": -math.inf, "high": math.inf, "value": math.nan}
        try:
            content = json.loads(text)
            readings = []
            for each in content["readings"]:
                values = {
                    k: v
                    for k, v in each.items()
                    if k in Reading.__dataclass_fields__
                }
                for name, end in open_ends.items():
                    values[name] = (
                        end if values[name] is None else values[name]
                    )
                readings.append(Reading(**values))
            return cls(
                content["subject"],
                tuple(readings),
                dict(content["unasked"]),
                content["images"],
                content["seconds"],
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"This is no report ({error!r}).") from error

    def figure(self):
        """The judged readings as a panel; shows itself in a notebook."""
        from vae_course.diagnosis.panel import panel

        return panel(self)


def _plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
