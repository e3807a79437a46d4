"""Jobs in a pool of two processes: prints the nanoseconds and the sum of the results."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor


def nothing(i):
    return i


def millisecond(i):
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    return i


def run(pool, how, n):
    if how == "one-by-one":
        return sum(pool.submit(nothing, i).result() for i in range(n))
    job = millisecond if how == "millisecond" else nothing
    return sum(future.result() for future in [pool.submit(job, i) for i in range(n)])


if __name__ == "__main__":
    import multiprocessing

    how, n = sys.argv[1], int(sys.argv[2])
    # The functions are those of a program that was given as text: only a fork has them.
    with ProcessPoolExecutor(multiprocessing.cpu_count(), multiprocessing.get_context("fork")) as pool:
        run(pool, how, 10)
        begin = time.perf_counter_ns()
        total = run(pool, how, n)
        print(time.perf_counter_ns() - begin, total)
