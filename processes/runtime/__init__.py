"""The memory: the only writer of instances. Lock, load, step, record, wake.

Every verb joins the caller's ``transaction.atomic()``: business rows and process state commit together or not at all.

    sweep                                                       one pass of everything that is due
    batches                                                     many instances, one after the other
    instructions recovery                                       what is done to each; outcomes of mass retries
    replies inbound                                             what comes in from outside, for jobs and for messages
    modifications                                               instances are modified, and begun again
    migration                                                   instances go on in another definition
    instances jobs timers messages signals incidents calls      the verbs that change an instance
    settlement                                                  connectors' answers become verbs of jobs
    by_hand                                                     what operators do in the place of workers and clocks
    connections admission                                       destinations; who may call them now
    lifecycle deployments comparisons                           versions are suspended, deleted, checked, compared
    statistics                                                  visits and attempts: how many, how long, failed
    drawings timelines retention workers                        what looks at rows, drops them, or says who is there
    past waterfall                                              instances as they were; what time was spent with
    documents                                                   binary results, stored and handed out
    starts occurrences                                          what begins instances beside callers
    claims pressure                                             jobs are taken and held; whether more may begin
    corrections                                                 variables are corrected
    transaction                                                 the one place where an instance changes
    definitions loader recorder dispatch                        parse, read, write, announce
    decisions                                                   DMN: deployed, found, evaluated
    audit throughput groups payload                             who did what; how much a minute; who may what
    seeding                                                     rows by the thousand, for trials
    secrets gate                                                what no row shows; the arithmetic of limits
    broadcasts                                                  whom a signal has to reach
    bulk                                                        the same for many
    fingerprints                                                like with like
    values                                                      what may become a variable
"""

from processes.engine.errors import ModelInvalid, Problem, Rejected

__all__ = ["ModelInvalid", "Problem", "Rejected"]
