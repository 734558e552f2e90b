"""Logs: what a kill left unfinished is repaired."""

from pathlib import Path

from codecshift.codecs.neural.training import logs


def test_a_log_that_a_kill_left_empty_gets_its_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.touch()
    logs.append(path, ["step", "loss"], [{"step": 1, "loss": 2.0}])
    assert path.read_text(encoding="utf-8") == "step,loss\n1,2\n"


def test_a_line_cut_short_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,lambda,loss\n1,0.1,5\n2,0.1,4\n1,0.2,9\n3,0.1,3\n4,0.1", encoding="utf-8")
    logs.drop_rows(path, {"0.1": 2, "0.2": 0})
    assert path.read_text(encoding="utf-8") == "step,lambda,loss\n1,0.1,5\n2,0.1,4\n"
