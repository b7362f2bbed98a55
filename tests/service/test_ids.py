"""Ids are never given twice: not to two threads, nor to a process and its fork."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from lightloop.service.ids import DRAWN, given_at, prediction_id, request_id


def test_ids_are_different_in_all_threads() -> None:
    count = DRAWN  # far more than one draw is enough for
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: request_id(None), range(count)))
        predictions = list(pool.map(lambda _: prediction_id("loans", 1_700_000_000.0), range(count)))
    assert len(set(ids)) == len(set(predictions)) == count
    assert {given_at(one, "loans") for one in predictions} == {1_700_000_000.0}


FORKING = """
import os
from lightloop.service.ids import request_id
request_id(None)  # something is drawn that both could give
child = os.fork()
if child:
    os.waitpid(child, 0)
print(*(request_id(None) for _ in range(16)), flush=True)
"""


def test_a_fork_has_random_bytes_of_its_own() -> None:
    # In a process of its own: to fork one that has threads is warned about.
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True)
    ids = done.stdout.split()
    assert len(ids) == len(set(ids)) == 32
