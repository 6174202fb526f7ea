"""What a target allows: the same calls by as many processes and threads, with nothing but `requests` around them.

    python -m benchmarks.ceiling http://127.0.0.1:8000/20 32 5

One process with 32 threads for 5 seconds; says how many calls were answered. No broker, no database, no process.
"""

from __future__ import annotations

import sys
import threading
import time

import requests


def main() -> None:
    url, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    until = time.monotonic() + seconds
    answered = [0] * threads

    def call(number: int) -> None:
        session = requests.Session()
        session.trust_env = False
        while not answered[number] or time.monotonic() < until:
            session.get(url, timeout=(20, 20)).raise_for_status()
            answered[number] += 1

    running = [threading.Thread(target=call, args=(number,)) for number in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    print(sum(answered), flush=True)


if __name__ == "__main__":
    main()
