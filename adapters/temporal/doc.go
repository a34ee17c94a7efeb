// Package temporal lets the operations of a registry live on a Temporal server: for
// those who run Temporal. [On] is one more option of duvotool.Discover; the tools, the
// policies, the audit and whatever lists and decides are the same.
//
//	reg, err := duvotool.Discover(ctx, duvoClient, temporal.On(temporalClient, "refunds"), duvotool.WithPolicy(policy))
//
// Every process that does so is a worker too, unless [CallsOnly] says otherwise: it may
// call, list, decide, and do the work of any operation of the task queue. Any of them may
// die; the operations go on in the others.
//
// # One operation is one workflow
//
// A call starts or joins the workflow of its operation key: its ID is made of the task
// queue, the tenant and the key, and is never used again for as long as the namespace
// remembers it (its retention takes the place of duvotool.WithRetention). The workflow
// hosts package lifecycle itself, the same pure function that runs in a process: events
// go in, effects come out. A start, a response, a message and a stop are activities of
// one attempt; so are the audit's lines, written before what they tell of; the policy and
// the watching of the Job are activities that are answered later. Calls, decisions, stops
// and reconciliations are updates. The one that decides has a validator: a decision about
// another text than the one that waits, or about what somebody has decided, is refused
// before it is in the history.
//
// # Just before something is sent
//
// The announcement is in the history before the activity is begun. The worker then asks
// the server whether it still waits for this very activity, which it does not where the
// caller has left, or where the worker was frozen for longer than the activity may take;
// then it looks at the window of the send, by the server's clock as far as it is known
// and by its own. An activity that no worker began in time provably sent nothing. One of
// which no answer comes may have: that is doubt, and the lifecycle settles it as after a
// crash, by reading and by re-sending the same bytes under the same key.
//
// # Watching
//
// No workflow polls. A worker has one watcher for all its Jobs, in its share of the key's
// limit; the activity that waits for news of a Job takes no slot, and is answered when a
// read shows what the workflow does not know, or one that it has wished for. Heartbeats
// tell that the worker lives, see [WithHeartbeat].
//
// # Histories and releases
//
// What a step of the lifecycle came to is written into the history. So a workflow that is
// replayed does not ask the lifecycle again: a release with other rules replays what
// earlier ones wrote, and its rules count from the next event on. The tests replay stored
// histories of every form that was ever released. A history that has grown long is
// followed by a new one when nothing is in flight, with all that is known; see
// [WithMaxEvents]. An operation with one request takes some 150 events and 150 KiB. A
// Job's words beyond 256 KiB are not kept: the Result says so.
//
// # What is different
//
//   - Whoever calls and dies has not left: the operation goes on, as it does after
//     Registry.Close. Who cancels has left; when the call returns nothing more is begun
//     for it.
//   - There are no handles, so WithWaitBudget and check_job, and continue_job of
//     WithFollowUps, are not there: use Start, Lookup and Continue with keys.
//     WithJobLimit, WithJournal and WithFiles are refused; WithAssignmentLimit and
//     WithLiveMessages do nothing.
//   - With duvotool.OncePerScope a call in a scope has the operation of the scope,
//     whatever key it brings; the key alone does not lead there.
//   - Policies that are asked and no longer needed find their contexts ended within a
//     heartbeat, with no cause.
//   - A webhook wakes the process that it reaches. Where another one watches the Job, its
//     poll finds the change.
//   - Pending, Jobs and Wait list workflows, which may lag by a second or two, and ask
//     each one that is listed: they are for people, not for every request of a server.
//     Resumed is empty.
//   - What a call is told of an error keeps its words and what it matches, not its type.
//   - A workflow that is cancelled or terminated by hand sends nothing more, and its key
//     starts nothing more. What it holds of its Job stays held: terminate the workflows
//     named duvotool-claim too.
package temporal
