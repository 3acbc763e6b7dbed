"""The sum of the figures of all workers."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from runtime.metrics.all_workers import AllWorkers


def test_the_file_of_a_worker_that_is_starting_is_left_out(tmp_path: Path) -> None:
    for pid in (1, 2):
        figures = MmapedDict(str(tmp_path / f"counter_{pid}.db"))
        figures.write_value(mmap_key("opened", "opened_total", [], [], "Streams opened."), 3.0, 0.0)
        figures.close()
    (tmp_path / "counter_3.db").touch()

    [metric] = AllWorkers(tmp_path).collect()

    assert [(each.name, each.value) for each in metric.samples] == [("opened_total", 6.0)]
