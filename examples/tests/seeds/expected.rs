//! What each program prints, as its document states it where it states anything; times are those of
//! tasks that run concurrently.

/// In the order of the documents. `…` stands for any text.
pub(crate) const EXPECTED: &[(&str, &str)] = &[
    (
        "structured_concurrency::unstructured",
        "did something\n\
         did something else",
    ),
    (
        "structured_concurrency::basic_example",
        "\x20 [A] started  (delay=1.0s)\n\
         \x20 [B] started  (delay=2.0s)\n\
         \x20 [C] started  (delay=1.5s)\n\
         \x20 [A] finished\n\
         \x20 [C] finished\n\
         \x20 [B] finished\n\
         \n\
         Results: A-result, B-result, C-result\n\
         Total time: 2.00s (should be ~2s, not 4.5s)",
    ),
    (
        "structured_concurrency::when_a_task_fails",
        "Caught 1 ValueError(s):\n\
         \x20 - B failed!",
    ),
    (
        "structured_concurrency::multiple_exception_types",
        "ValueErrors:\n\
         \x20 - bad value\n\
         RuntimeErrors:\n\
         \x20 - something broke",
    ),
    (
        "structured_concurrency::dynamic_tasks",
        "http://api.example.com/users → data from http://api.example.com/users\n\
         http://api.example.com/posts → data from http://api.example.com/posts\n\
         http://api.example.com/comments → data from http://api.example.com/comments",
    ),
    (
        "structured_concurrency::problem_1_callbacks",
        "delay 0.5: ok\n\
         delay 1.0: ok\n\
         delay 1.5: ok\n\
         delay 2.0: ok",
    ),
    (
        "structured_concurrency::problem_2_classification",
        "2 lost their connection:\n\
         \x20 - op 3: connection lost\n\
         \x20 - op 6: connection lost\n\
         2 timed out:\n\
         \x20 - op 1: timed out\n\
         \x20 - op 4: timed out\n\
         Succeeded:\n\
         \x20 - op 2: success\n\
         \x20 - op 5: success",
    ),
    ("advanced_concepts::async_function", "delay 1.0, status 200"),
    (
        "advanced_concepts::task_group",
        "task1 done: true\n\
         task2 done: true\n\
         task3 done: true\n\
         task1 result: delay 1.0, status 200",
    ),
    (
        "advanced_concepts::exceptions",
        "Caught ValueError group: group failed: 1 failure; first: task …: Bad delay: 3.0",
    ),
    (
        "advanced_concepts::practice_task_group",
        "delay 0.5 finished\n\
         delay 1.0 finished\n\
         delay 2.5 finished\n\
         delay 3.5 failed: no answer after 3.0 s",
    ),
    ("advanced_concepts::sync_function", "delay 1.0, status 200"),
    (
        "advanced_concepts::to_thread",
        "Thread-pool task 1 completed: delay 1.0, status 200\n\
         Thread-pool task 2 completed: delay 2.0, status 200\n\
         Thread-pool task 3 completed: delay 3.0, status 200",
    ),
    (
        "advanced_concepts::practice_thread_pool",
        "Sequential took: 4.50s\n\
         Threaded took: 2.00s",
    ),
    ("advanced_concepts::cpu_bound_function", "25"),
    (
        "advanced_concepts::process_pool",
        "Up to 50000, found 5133 primes\n\
         Up to 60000, found 6057 primes\n\
         Up to 70000, found 6935 primes",
    ),
    (
        "advanced_concepts::practice_process_pool",
        "Up to 80000, found 7837 primes\n\
         Up to 100000, found 9592 primes\n\
         Up to 120000, found 11301 primes\n\
         Process pool took: 0.00s",
    ),
    (
        "advanced_concepts::practice_threads_in_group",
        "delay 1.0, status 200\n\
         delay 2.0, status 200\n\
         delay 3.0, status 200\n\
         Total time: 3.00s",
    ),
    (
        "advanced_concepts::practice_timeout",
        "delay 1.0, status 200\n\
         Cancelled the group: the time was up\n\
         Total time: 1.50s",
    ),
    (
        "advanced_concepts::practice_logging",
        "delay 1.0 started\n\
         delay 2.0 started\n\
         delay 1.0 took 1.00s\n\
         delay 2.0 took 2.00s",
    ),
    (
        "short_course::task_group",
        "Data 1\n\
         Data 2\n\
         Data 3",
    ),
    ("short_course::handling_exceptions", "Caught: Error in task 2"),
    (
        "short_course::nursery_pattern",
        "Worker 1 started\n\
         Worker 2 started\n\
         Worker 3 started\n\
         Worker 1 done\n\
         Worker 2 done\n\
         Worker 3 done",
    ),
    ("short_course::spawn_and_wait", "[(0, \"Result 0\"), (1, \"Result 1\"), (2, \"Result 2\")]"),
    ("short_course::timeout_with_task_group", "Tasks timed out"),
    ("short_course::practice_parallel_tasks", "[1, 4, 9, 16, 25] took 1.00s"),
    (
        "short_course::practice_exceptions",
        "Value: not a number\n\
         Connection: nobody answers\n\
         Left: out of luck",
    ),
    (
        "short_course::practice_nursery",
        "worker 1 done\n\
         still working\n\
         worker 2 done\n\
         nursery closed",
    ),
    (
        "short_course::practice_timeout",
        "worked for 0.5s\n\
         finished\n\
         timed out",
    ),
    (
        "short_course::practice_task_tracking",
        "live: download, resize, upload\n\
         download: done\n\
         live: resize, upload\n\
         resize: done\n\
         upload: done\n\
         0 left",
    ),
    ("asyncio_tasks::what_is_a_task", "Hello!"),
    (
        "asyncio_tasks::create_task",
        "A: done B: done\n\
         took 0.30s",
    ),
    (
        "asyncio_tasks::tasks_vs_coroutines",
        "sequential took 0.40s\n\
         concurrent took 0.20s",
    ),
    ("asyncio_tasks::awaiting_tasks", "42"),
    ("asyncio_tasks::gather", "[\"A: done\", \"B: done\", \"C: done\"]"),
    (
        "asyncio_tasks::return_exceptions",
        "Result: 10\n\
         Error: oops!\n\
         Result: 30",
    ),
    ("asyncio_tasks::task_group", "A: done B: done C: done"),
    ("asyncio_tasks::task_group_failure", "Caught: oops!"),
    (
        "asyncio_tasks::cancellation",
        "Working...\n\
         Working...\n\
         Working...\n\
         Task was cancelled! Cleaning up...\n\
         Confirmed: task is cancelled",
    ),
    ("asyncio_tasks::wait_for", "Operation timed out!"),
    (
        "asyncio_tasks::wait",
        "1 done, 2 pending\n\
         2 done, 0 pending",
    ),
    (
        "asyncio_tasks::as_completed",
        "B: done\n\
         C: done\n\
         A: done",
    ),
    (
        "asyncio_tasks::never_retrieved",
        "the group failed: true\n\
         Task exception was never retrieved: boom",
    ),
    (
        "asyncio_tasks::gather_both_ways",
        "Error: oops!\n\
         [Ok(10), Err(ValueError(\"oops!\")), Ok(30)]",
    ),
    (
        "asyncio_tasks::producer_consumer",
        "C1 processed: P1-item-0\n\
         C1 processed: P1-item-1\n\
         C1 processed: P1-item-2\n\
         C1 processed: P1-item-3\n\
         C1 processed: P1-item-4",
    ),
    (
        "asyncio_tasks::semaphore",
        "Fetching https://api.example.com/0\n\
         Fetching https://api.example.com/1\n\
         Fetching https://api.example.com/2\n\
         Fetching https://api.example.com/3\n\
         Fetching https://api.example.com/4\n\
         Fetching https://api.example.com/5\n\
         Fetching https://api.example.com/6\n\
         Fetching https://api.example.com/7\n\
         Fetching https://api.example.com/8\n\
         Fetching https://api.example.com/9\n\
         10 results took 0.40s",
    ),
    (
        "notebook::create_task",
        "Fired\n\
         after",
    ),
    ("notebook::gather", "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]"),
    ("notebook::task_group", "all 20 are complete"),
    (
        "notebook::task_group_values",
        "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]\n\
         [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]\n\
         [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]",
    ),
    (
        "notebook::better_structure",
        "first 1\n\
         first 2\n\
         something in serial\n\
         second 1\n\
         second 2",
    ),
    (
        "notebook::nested_groups",
        "background job started\n\
         service 1 started\n\
         service 2 started\n\
         service 1 stopped\n\
         service 2 stopped\n\
         background job stopped\n\
         service 1 died",
    ),
    (
        "notebook::gather_goes_on",
        "AbortError: Aborting the task\n\
         Task complete\n\
         Task complete",
    ),
    (
        "notebook::group_aborts",
        "group failed: 2 failures; not stopped in time: task … and 1 more; first: task …: Aborting the task",
    ),
    (
        "notebook::subgroup",
        "Got Aborting the task\n\
         Got Aborting the task",
    ),
    (
        "notebook::except_star",
        "Got Aborting the task\n\
         Got Aborting the task",
    ),
];

/// Those whose lines by the real clock depend on who is first.
pub(crate) const RACING: &[&str] = &[
    "advanced_concepts::practice_task_group",
    "advanced_concepts::to_thread",
    "advanced_concepts::practice_timeout",
    "short_course::spawn_and_wait",
    "short_course::timeout_with_task_group",
    "short_course::practice_nursery",
    "short_course::practice_timeout",
    "short_course::practice_task_tracking",
    "asyncio_tasks::cancellation",
    "asyncio_tasks::wait_for",
    "asyncio_tasks::wait",
    "notebook::group_aborts",
    "notebook::subgroup",
    "notebook::except_star",
];
