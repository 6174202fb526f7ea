"""The same work done by the orchestrator and by raw Celery, on the same broker and database, in turns.

scripts/bench --quick                       a smoke run
scripts/bench --profile production          PostgreSQL, RabbitMQ, worker processes
scripts/bench --profile embedded            SQLite and the in-memory broker, everything in one process
scripts/bench --all --profile production    everything, each figure with its goal and a verdict

__main__                    the command: reads options, has the rounds run, prints
rounds                      who is measured when, and what is written down
contenders                  a system under test: its driver, its workers, its CPU time
driver                      a process that starts instances of one system and watches them end
ours, peer                  what the driver starts: process instances, or chains of Celery tasks
store                       the peer's tables, and its one transaction per task
worker, connectors          our worker, with the job function of the benchmark
workloads, service          what is done, and the HTTP service that is called
observe                     counts statements and commits from inside the workers
children, places            processes; databases and queues of the benchmark's own
figures, report, numbers    medians and ratios; tables and JSON
everything, suite, goals    --all: its parts, what figures are judged by, the conditions they were found under
trials, loads               loads on the orchestrator alone: as they are judged, and as its driver carries them out
upkeep, turns               full tables, old transactions; round trips, counted on the wire
startup, external, ceiling  commands and workers starting; a worker over REST; what a target allows to bare callers
scale, machine              how much is done; what the machine is, and whether others are at work on it

And apart from that, `python -m benchmarks.curves`: how throughput goes with parallelism and with history.

curves                      the command: measures the points
picture                     draws them

And `python -m benchmarks.console`: what every page of the console costs beside a million instances.

console                     the command: asks for every page again and again, and prints
pages                       which pages there are, derived from addresses, filters and rows
company                     the rows that no seeding of instances makes: people, messages, batches, families
"""
