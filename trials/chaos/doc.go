// Chaos runs Jobs while everything goes wrong, and checks that nothing was lost,
// nothing done twice, and nothing done that nobody had decided:
//
//	go run ./trials/chaos -jobs 2000 -kills 100 -faults 0.2
//	go run ./trials/chaos -jobs 2000 -kills 100 -faults 0.2 -no-idempotency
//	go run ./trials/chaos -minutes 15
//	go run ./trials/chaos -replicas 4 -journal postgres -jobs 2000 -kills 100 -faults 0.2
//	go run ./trials/chaos -replicas 4 -compare -jobs 200
//	go run ./trials/chaos -replicas 2 -journal postgres -times 20
//
// It prints its seed, how many Jobs, kills, requests and faults there were, what was
// lost, doubled, unauthorised, reported as unknown and given up silently, and how
// often each kind of event was drawn, and ends with 1 unless all of those but the
// unknown are zero. It needs a Unix. The same -seed draws the same plans, and the same
// faults, full disks and closes in each process; what they meet depends on how fast
// the processes run, and is another each time.
//
// # Processes
//
// The harness starts itself again as the emulator, a duvotest.Duvo on a loopback
// socket, and as workers. Each worker has a journal on disk and a share of the
// operation keys; the last two share one journal, which the harness holds and serves,
// and call half of their keys both at once. A worker calls the tool of each key, some
// keys from two callers at once, some from one that loses patience and calls again,
// goes on with some Jobs by messages, one after the other or two at once, and delivers
// each outcome by adding it to a file. Workers are killed by SIGKILL at random
// moments, a fifth of the times twice in a row, and now and then asked to end by
// SIGTERM, and are started again on the same journal. In between they close their
// registry, with calls in the queue, and make another one.
//
// # Replicas
//
// With -replicas all workers share one journal with leases, of a second each: a
// memory journal that the harness serves, or one in a PostgreSQL server that it starts,
// which dies or is ended now and then. Each key is called on one replica or on two at
// once. People decide and stop at replicas that are drawn for them, by what those list,
// whoever owns the Job; who is told that it does not count decides again while it is
// listed. Webhooks come to any replica. Replicas are killed, stopped by SIGSTOP for
// longer than their lease and let go on, cut off from the journal, from Duvo or from
// both for that long, with refusals or with silence, and closed and made anew.
// Where keys are honoured, some are stopped for longer than whoever takes over waits
// before it sends again; where they are not, nothing could help then.
//
// A policy is to be asked once about each text of a request. It may be asked again by
// an operation to whose replica something happened meanwhile, whose caller had left, or
// whose decision could not be recorded or audited; the report counts by what. Anything
// else is a problem.
//
// -compare runs the same plans with one replica and with several, with nothing that
// goes wrong, and holds the requests a Job against each other. -times measures how long
// decisions take that are made on another replica than the owner's: while that lives,
// while nobody receives what others broadcast, and since it was killed.
//
// -break takes away what holds replicas apart, in their journals: fence lets whoever
// puts last win, whatever its term and revision; owner tells everybody that an operation
// is theirs; once keeps nobody's claim to a request or to the turn of a Job; tell loses
// what they broadcast, which costs time alone. The harness
// must find the others: what callers are told differs, decisions are missing from the journal
// or policies are asked again. Without owners the revisions of
// the records still let one of two win, so that what shows is that policies are asked twice.
//
// # What is drawn
//
// What a Job does, and who answers its human requests, is drawn from the seed and
// its key: the policy at once or slowly, two people at once and against each
// other after the policy has put it off, a reviewer in Duvo's own inbox, or that
// one and the policy at the same time. What a policy decides is drawn anew each
// time that it is asked, so that an answer which is not the one recorded shows.
// Somebody stops some Jobs. Of some starts and messages no answer comes, and their
// repetition is refused: nobody can tell what became of them, until somebody looks
// into Duvo and reconciles.
//
// Requests meet resets before and after their effect, effects that come late,
// errors before and after, 429, truncation, stalls and silence; webhooks are lost,
// repeated and late. Reads of a Job are refused for a while, and now and then those of
// all Jobs: by 401, 403, 404, 409, a redirect to a login page, or a maintenance page.
// The disk is full for a while, for the journal, the audit or both; what was to be
// written is there all the same now and then. The emulator gives a response to
// whatever the Job waits for, so that one too many does harm.
//
// No while is long enough for a Job to be given up as gone, or for its reads to be
// given up: both take minutes in which the process lives. The tests of the root
// package have them, in simulated time.
//
// # The checker
//
// It holds against each other what the emulator saw, what callers, policies and people
// wrote down, what the audit tells and what the journals hold.
//
//   - lost: an operation without a delivered outcome, or with one that is not its
//     Job's; callers who were told different things; a journal that tells something
//     else or has an operation that is not done; a Job that who reconciles cannot find.
//   - doubled: a key with more than one Job, or a message that was taken twice, unless
//     the outcome was reported as unknown; a request that got two responses, or one
//     that was meant for another; two different requests to start one Job, to say one
//     thing or to answer one human request, but for a start that somebody found to have
//     started nothing; two people who were both told that they had decided.
//   - unauthorised: a response of ours that nobody had decided before, or that is
//     not in the journal, or that says something else, or that the audit was not told
//     of before; an approval of what the policy never approves; a request that a message
//     walked past; a stop that nobody had asked for; a POST of another kind; a request
//     after Close has returned; a decision that the journal calls accepted where the
//     inbox answered.
//   - unknown: operations whose outcome was reported as unknown, and stayed so.
//   - given up silently: an operation that was asked for and is neither answered nor
//     listed; a human request that waits, and no registry lists it; an operation that a
//     registry lists no more without having told that it is over or why it was left, also
//     at Close, or, of replicas, before it had come to an end on any; an unknown outcome
//     that is not listed; who stops a Job and is told nothing.
package main
