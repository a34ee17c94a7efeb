// Package lifecycle is one operation as a pure function: what is known of it, one
// event, and the time go in; what is known then, and what is to be done, come
// out. See [Step].
//
// It does no I/O, reads no clock, draws nothing at random, starts nothing and
// waits for nothing, so that it can be explored exhaustively, hosted anywhere and
// read in an afternoon. Times and fresh IDs arrive in events. A driver carries
// the effects out and feeds back what came of them; see [Effect]. Package engine is
// that driver.
//
// # What is known
//
// A [State] has two parts without a field in both. The [Record] is exactly what
// the journal holds. [Live] dies with the process; [Recover] makes it anew.
//
// The stage of an operation, and where it goes from there:
//
//	stage       means                                        goes to
//	new         nothing was announced                        starting, posting, watching, collecting, ended
//	starting    a start was announced, the Job is unknown    new, watching, collecting, ended
//	watching    the Job is known                             collecting, ended
//	collecting  the Job has ended, its messages are unread   watching, posting, ended
//	posting     a message is to be posted to the ended Job   new, watching, collecting, ended
//	ended       the outcome is known, or known to be unknown watching, starting, new
//
// An operation ends as unknown where nobody can tell whether its start or message
// took effect; only [Reconciled] ends that. From gone it goes back to watching
// when the Job is [Seen]. What another process has recorded is taken over, so
// that several steps may be seen as one, or what has ended here as starting there,
// until both records are merged.
//
// The stage of a human request:
//
//	request  means                                          goes to
//	unasked  ask; being asked and put off are Live          decided, settled, stuck, sending
//	decided  sealed, not sent, or provably without effect   sending, unasked, settled
//	sending  may have been sent                             decided, settled, stuck, unasked
//	settled  nothing more is sent                           unasked, decided, sending
//	stuck    the Job waits, and nobody here can end that    settled, unasked
//
// A settled or stuck request is unasked again only if no response to it was ever sent:
// it was left to others or could not be answered, and reads differently now or was away
// meanwhile; or nobody could be asked, and somebody calls again. It is sending again
// where another process took it for over and this one may have sent a response, and
// decided again where this one took it for over and another still records it as
// decided: a read tells which holds. A request that was announced and not sent counts
// as decided. A decision that could not be recorded is taken back, and counts only if
// the journal holds it all the same. How a request was whose decision is thrown away
// stands in [Record].Past.
//
// # Calls
//
// A call may end before the operation does. It then gets how the Job stands
// ([EndCalls]), as pending where the Job waits for what nobody here can give and as
// expired where the Job's own time is over; or an error ([Release]). In both cases
// the operation is parked as it is, and the next call goes on with it, with all its
// time. That nothing was started or said is told only once the journal agrees: where it
// cannot be written, that is told, and where another process has begun, the call goes on
// with what that one has. Only what the Job came to, that it is gone, and that nobody can tell are a
// [Result]. While a decision is put off, whoever calls gets what is known at once
// ([Interim]), and the operation goes on without callers.
//
// # Exchanges
//
// At most one exchange is in flight. Other events are noted until its answer
// comes; then Step asks, one thing after another, what the state wants. So a
// call, a recovery and a conflict need no code of their own.
//
// # Order of what is sent
//
//  1. While the record differs from the journal's in what matters, it is saved
//     before anything else is sent.
//  2. A start, response or message is announced in the record, with the time
//     until which it may begin; it is sent once that is saved and, but for a
//     start, a read is fresh, whichever comes last.
//  3. A read is fresh if it began after the decision and after whatever an
//     earlier attempt may have done, and is young by the monotonic and by the
//     wall clock, which has not gone back since.
//  4. Every send has a [Window]. Whoever carries it out looks at both clocks just
//     before, and answers [TooLate] once it is over. Where that is so again and
//     again the run ends: something takes too long before every send.
//  5. An announcement that was not used is withdrawn when the callers leave, the
//     text changes or its time is over, and the audit is told. After a death it
//     counts as doubt.
//  6. What is in doubt is not repeated before its effect must have landed: the end
//     of its window, the longest send and the settle time, and, if another
//     process announced it, the time to record the answer; a response or message
//     that the server has answered, and not told what became of it, the settle time
//     alone. A start with a mark is
//     searched for until then, and not repeated while the search fails; one without
//     is looked for once, where webhooks may have told of its Job. Where the server
//     honours keys and checks a response against its request, a response is repeated
//     after a short pause.
//  7. Before a response is sent that another process decided, and before any is
//     repeated, today's rules are asked and the age of the decision is looked at.
//     If it may not be sent: it is asked again where it never was, and told as
//     unconfirmed where it may have been.
//  8. In a conflict what was intended here is dropped, and what has happened (a
//     Job, a doubt, an accepted response, a posted message, an outcome) is merged
//     into the other's record and saved again. So is a decision that was to be
//     recorded just now, where the other record has decided nothing about the
//     same text, a stop that somebody has asked for, and how requests were whose
//     decisions were thrown away. What is for the audit alone puts no record, which others would
//     meet as a conflict.
//  9. A recorded time that lies ahead of the clock by more than the skew is of
//     unknown age: what is bound by age is not sent. What must be waited for is
//     waited for by the monotonic clock, at most as long as it can take.
//
// # What failures prove
//
// A read that fails proves nothing at once: [Down] and [NotAllowed] are waited
// out; [Missing] makes a Job gone after three reads over a while, under the
// credential that started it; [Odd] is given up after three over a while, and
// stays listed ([Record].Trouble). What is told of another Job or Assignment
// ([Foreign], [Elsewhere]) ends the run, and nothing is decided about a Job of which
// nothing tells that it runs the Assignment. A save that fails starts nothing and
// gives up nothing: what waits stays pending, what has happened is saved later, and
// callers who only wait for a result get it. What a person has found counts once it
// is recorded.
//
// # Who works on it
//
// [Record].Holders lists the replicas that work on an operation. None means that
// it is parked: nobody takes it up by itself. A process that closes leaves [Orphan]
// in its place with an operation in flight, so that the next one takes it up.
//
// Where operations have owners (Options.Leases) only the owner reads, asks and sends, and
// stands alone among the holders. It asks for the lease with [Own] before anything else,
// and gives it back with [Disown] when the run ends. The other processes show what it
// records, and follow it while somebody waits in them: see own.go and follow.go. [Lapsed], or a save
// that is fenced, makes an owner a follower; what has happened it still records.
//
// # Closing
//
// After [Closed] nothing is sent. Before, a process may drain: nothing is started, so
// an operation of which no Job is known, or whose follow-up was not answered, ends as
// after Closed; a Job that was started goes on, until it waits for a person. A policy
// that is asked counts as one once it has taken a while.
//
// # Room
//
// For an operation that begins by creating a case in a queue and learns its Job later:
// the start's answer without a Job is a doubt today; a stage between starting and
// watching, with the case in the record and the Job in an event, has its place in
// Step's table, and [Live].Claim is how a Job that was not started here is taken.
//
// # What is checked
//
// The tests explore every state of many small worlds, each held against what must
// always be so (docs/architecture.md) by what happens in it; each guard taken away is missed
// with a printed trace of events. DUVOTOOL_WORLDS=deep explores larger worlds.
package lifecycle
