// Chaos runs Jobs while everything goes wrong, and checks that nothing was lost,
// nothing done twice, and nothing done that nobody had decided:
//
//	go run ./trials/chaos -jobs 2000 -kills 100 -faults 0.2
//	go run ./trials/chaos -jobs 2000 -kills 100 -faults 0.2 -no-idempotency
//	go run ./trials/chaos -minutes 15
//
// It prints how many Jobs, kills, requests and faults there were, and what was
// lost, doubled, unauthorised and reported as unknown, and ends with 1 unless the
// first three are all zero. It needs a Unix.
//
// # Processes
//
// The harness starts itself again as the emulator, a duvotest.Duvo on a loopback
// socket, and as workers. Each worker has a journal on disk and a share of the
// operation keys. It calls the tool of each key, some keys from two callers at
// once, some from one that loses patience and calls again, and delivers the
// outcome by adding it to a file. Workers are killed by SIGKILL at random moments,
// a fifth of the times twice in a row, and now and then asked to end by SIGTERM, and
// are started again on the same journal.
//
// What a Job does, and who answers its human requests, is drawn from the seed and
// its key: the policy at once or slowly, two people at once and against each
// other after the policy has put it off, a reviewer in Duvo's own inbox, or that
// one and the policy at the same time. What a policy decides is drawn anew each
// time that it is asked, so that an answer which is not the one recorded shows.
// Requests meet resets before and after their effect, effects that come late,
// errors before and after, 429, truncation, stalls and silence; webhooks are lost,
// repeated and late. The emulator gives a response to whatever the Job waits for,
// so that one too many does harm.
//
// # The checker
//
// It holds against each other what the emulator saw, what callers and policies
// wrote down, and what the journals hold.
//
//   - lost: a key without a delivered outcome, or with one that is not its Job's;
//     callers who were told different things; a journal that tells something else
//     or has an operation that is not done.
//   - doubled: a key with more than one Job, unless its outcome was reported as
//     unknown; a request that got two responses, or one that was meant for another;
//     two different requests to start one Job or to answer one human request; two
//     people who were both told that they had decided.
//   - unauthorised: a response of ours that nobody had decided before, or that is
//     not in the journal, or that says something else; an approval of what the
//     policy never approves; a request that a message walked past; a POST of
//     another kind; a decision that the journal calls accepted where the inbox
//     answered.
//   - unknown: keys whose outcome was reported as unknown.
package main
