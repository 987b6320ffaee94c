"""Tests. Some run beside each other, so each computes in one thread: threads that share a core wait for one another."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything reads it
