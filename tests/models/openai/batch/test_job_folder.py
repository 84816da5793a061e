"""The job's folder: private, whole after any kill, for one process at a time."""

import os
import stat
import subprocess
import sys
import time

import pytest

from veclab import InputError, OutputError, VeclabError
from veclab.models.openai.batch.job_folder import Failure, JobFolder, Manifest, Part, move


def manifest():
    return Manifest("ab" * 16, 1e9, {"input": "x", "model": "openai:m"})


PART = Part("0001", requests=2, inputs=3, tokens=9, bytes=100, sha256="00" * 32)


def test_what_was_saved_is_read_again(tmp_path):
    with JobFolder.create(tmp_path / "job", manifest()) as folder:
        folder.manifest.parts = [PART]
        folder.update(move(PART, "creating", 5.0, file_id="file-1", earlier=("batch-0",)))
        saved = folder.manifest
    with JobFolder.open(tmp_path / "job") as folder:
        assert folder.manifest == saved
        assert folder.part("0001").earlier == ("batch-0",)


def test_all_in_it_is_for_the_owner_alone(tmp_path):
    with JobFolder.create(tmp_path / "job", manifest()) as folder:
        folder.write_failures("0001", [Failure(b"0" * 16, "id", "400", "no", True)])
        assert list(folder.failures("0001")) == [Failure(b"0" * 16, "id", "400", "no", True)]
        folder.private("answers", "0001")
    assert stat.S_IMODE((tmp_path / "job").stat().st_mode) == 0o700
    files = list((tmp_path / "job").iterdir())
    assert len(files) == 4  # job.json, lock, failed, answers
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(InputError, match="not empty"), JobFolder.create(tmp_path, manifest()):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_was_killed_before_its_first_save_can_be_used(tmp_path):
    path = tmp_path / "job"
    path.mkdir()
    (path / ".job.json.tmp").write_text("{")
    (path / "lock").touch()
    with JobFolder.create(path, manifest()) as folder:
        assert folder.manifest.parts == []


def test_no_job_and_a_damaged_one_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="no job in"), JobFolder.open(tmp_path):
        pass
    for text in (
        "{",
        '{"version": 99}',
        '{"version": 1, "job": "x"}',
        '{"version": 1, "parts": 3}',
    ):
        (tmp_path / "job.json").write_text(text)
        with pytest.raises(InputError, match="cannot be read"), JobFolder.open(tmp_path):
            pass


@pytest.mark.skipif(os.name != "posix", reason="locks files")
def test_one_process_at_a_time(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from veclab.models.openai.batch.job_folder import JobFolder\n"
        "with JobFolder.open(Path(sys.argv[1])): print('in', flush=True); time.sleep(600)"
    )
    path = tmp_path / "job"
    with JobFolder.create(path, manifest()):
        pass
    child = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "in\n"
        with pytest.raises(VeclabError, match="another veclab"), JobFolder.open(path):
            pass
    finally:
        child.kill()
        child.wait()
    with JobFolder.open(path):
        pass


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError), JobFolder.create(tmp_path / "job", manifest()):
        pass


def test_a_part_keeps_the_time_of_its_status():
    now = time.time()
    assert move(PART, "uploading", now).since == now
    assert not PART.running
    assert move(PART, "in_progress", now, batch_id="b").running
    assert move(PART, "expired", now, batch_id="b").final
