// Package property lets drawn plans happen to the engine, and holds what the
// emulator saw against what was meant. It holds tests alone:
//
//	go test ./trials/property
//	DUVOTOOL_PROPERTY_STEPS=150000 go test -v -run TestProperties ./trials/property
//
// A step is one action of a plan. Without the variable 20,000 are tried, with -short
// 2,000. With -v the tests end with what was reached. What fails is drawn smaller
// and smaller, and printed with all that happened; to see it again run the test
// with the -rapid.failfile or -rapid.seed that is printed with it.
//
// # What is drawn
//
// A plan (plan_test.go): what the server guarantees and how fast it allows requests,
// the scripts of the Jobs, what the policy decides and how long it thinks, the
// callers with their patience, faults, and what other people do meanwhile.
//
// A policy may put its decision off. Then the callers are released, and people
// decide through the registry: at once or late, alone or at the same moment as
// others, on what they read before it changed or was answered in Duvo's inbox, or
// on what they read in the first life; or nobody decides.
//
// In a plan of one life, callers may go on with a Job that has ended, by
// Registry.Continue: at once or later, two with the same words, after the last
// Result or an earlier one; and the Job may ask before it answers.
//
// With a journal there may be two lives: the first process dies at a step of its
// way (from then on nothing of it reaches Duvo, the journal or the audit, and
// what it had begun to send may still land), or is closed; and a second one, on
// the same journal, is called for the same.
//
// # How it happens
//
// A plan is lived through (run_test.go) against the emulator in simulated time, by
// one process or by two in turn (process_test.go), while other people answer,
// change and stop what they like (people_test.go), some decide what a policy has
// put off (later_test.go), some only look (lookup_test.go) and callers go on with Jobs
// that have ended (followup_test.go). All that passes on the wire is noted
// (wire_test.go), with all else that happened (life_test.go).
//
// # What is checked
//
// A finding names the rule that it breaks: (a) nothing is sent that nobody decided,
// (b) a request gets one decision, (c) for the text that was decided on, (d) nothing
// is sent but while it may be, (e) one Job for one operation and one outcome for all
// its callers, (f) what is told is so, (g) all comes to an end, (h) a second process
// takes up what was under way. All that must hold, holds over both lives.
//
//   - sent_test.go: what was sent, and what the emulator took
//   - told_test.go: what callers were told
//   - audit_test.go: what the audit was told
//   - followup_test.go: what was said to Jobs, and what came of it
//   - check_test.go: the second process
//
// # What no client can attain
//
// It is not asked for:
//
//   - What others do between the read just before a response and the response's
//     effect, no client can see. So a text may have changed by then, and under
//     CheckWaiting and ApplyToAny the response may go to another request. The
//     read itself must have shown the very text that was decided on.
//   - An effect that lands after the settle time may go to a later request,
//     or be a second one, where keys are ignored and the response is not
//     checked against the request. A message that lands so late may meet a
//     Job that waits.
//   - Where keys are ignored, a start with an unclear fate may be a second Job.
//   - A server that acts and then answers 4xx is believed: the record of a
//     decision may then say refused or superseded of a response that was taken.
//   - Two requests with one ID and one text are the same to a client.
package property
