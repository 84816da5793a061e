"""Report: what is kept whole for programs stays readable for people."""

from __future__ import annotations

import json

from veclab.report import Report, group_notes


def labels(report: Report, label: str) -> list[str]:
    return [line for name, line in report.lines() if name == label]


class TestNotes:
    def test_each_is_kept_once(self):
        report = Report()
        report.note("a", "b", "a")
        report.notes.append("c")  # lists are open to all
        report.note("c", "b", "d")
        assert report.notes == ["a", "b", "c", "d"]

    def test_a_few_of_each_kind_are_shown_and_the_json_has_all(self):
        report = Report(texts=20_000)
        report.note("the model runs in bf16")
        report.note(*(f"refused: text {n} is about {n:x} and {n * 7:o}" for n in range(20_000)))
        shown = labels(report, "note")
        assert shown == [
            "the model runs in bf16",
            *report.notes[1:4],
            "… and 19,997 more like these (JSON has all)",
        ]
        assert len(json.loads(json.dumps(report.to_dict()))["notes"]) == 20_001
        assert Report.from_dict(report.to_dict()).notes == report.notes

    def test_that_end_alike_are_of_one_kind_too(self):
        notes = [f"{name}.pdf: page {name} has no text" for name in "abcdefgh"]
        notes += ["file-1 was skipped", "b.pdf: it is encrypted"]
        notes += [f"{name}.pdf: no text layer" for name in "abcdefgh"]
        assert group_notes(notes)[-4:] == [
            "a.pdf: no text layer",
            "b.pdf: no text layer",
            "c.pdf: no text layer",
            "… and 5 more like these (JSON has all)",
        ]

    def test_of_a_thousand_kinds_are_counted(self):
        words = [chr(ord("a") + n // 26 % 26) + chr(ord("a") + n % 26) for n in range(600)]
        shown = group_notes([f"note {word * 3}" for word in words])
        assert len(shown) == 21
        assert shown[-1] == "… and 580 other notes (JSON has all)"

    def test_a_few_stay_as_they_are(self):
        notes = ["a: x 1", "a: x 2", "b", "a: x 3", "a: x 4"]
        assert sorted(group_notes(notes)) == sorted(notes)

    def test_take_time_in_proportion_to_their_number(self):
        """Counted in comparisons, not in seconds."""

        class Counted(str):
            compared = 0

            def __eq__(self, other):
                Counted.compared += 1
                return str.__eq__(self, other)

            __hash__ = str.__hash__

        report = Report()
        for n in range(5_000):
            report.note(Counted(f"refused: {n}"))
        assert Counted.compared < 50_000
