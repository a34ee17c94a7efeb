// Package duvotest is a whole Duvo in one process, as net/http/httptest is for
// HTTP: for tests of policies and agents, without an account.
//
//	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{
//		Name: "Refunds", Description: "Refunds an order.",
//		Script: func(j *duvotest.Job) {
//			j.CallTool("find_order", map[string]any{"id": 4711}, map[string]any{"total": 120})
//			if j.AskApproval("Refund 120 EUR", "The order arrived damaged.") {
//				j.Complete("Refunded.")
//			}
//			j.Complete("Not refunded.")
//		},
//	}))
//	defer d.Close()
//	client := d.Client() // reaches it in memory
//
// [New] makes a Duvo that is reached in memory, by [Duvo.Client] or
// [Duvo.HTTPClient]; that also works under testing/synctest, where a Job of a
// day takes no time. [NewServer] listens on a loopback socket. A [Duvo] is an
// http.Handler besides. Assignments are scripted in Go, or read from JSON with
// [LoadScenario].
//
// Afterwards [Duvo.Jobs] tells what the Jobs did and how their requests were
// answered, and [Duvo.Requests] each HTTP request that came in: assert on
// these rather than on what the code under test believes.
//
// # What is served
//
// Teams, Assignments, folders, Jobs, messages, human requests, with their
// validation, their errors, Idempotency-Key replay, rate limits and signed
// webhooks. Jobs pass through the states pending, starting, running, waiting
// and so on. With quirks off every answer is valid by the published
// description. Where that is open:
//
//   - The description gives a row of listRuns no status stopped or
//     needs_attention. The row of a stopped Job tells interrupted, and no
//     filter by status finds it.
//   - A refused request (wrong state, unknown ID) is 400 or 404; 409 is not
//     documented for any operation here.
//   - An Idempotency-Key that comes with another path or body is refused with
//     400. Only successes are kept.
//   - A message to a waiting Job walks past its request, as if approved, and
//     the record tells it as Bypassed: the worst that a server might do.
//
// # Where servers may differ
//
// [Profile] chooses what an Idempotency-Key does, what a response is checked
// against, and what stopping a waiting Job does. [Quirks] switches on what
// servers do beyond the description: a nested pending request, a tool message
// at the end, an unknown status, unknown fields, more messages than a page.
//
// # What goes wrong
//
// [Duvo.Inject] queues faults, for any operation or one: latency, connections
// that break before or after the effect, an effect that lands late, an error
// status before or after the effect, an answer that breaks off or is no JSON,
// and none at all. [Duvo.InjectWebhook] drops, repeats, delays and reorders
// webhooks. [Duvo.AnswerElsewhere], [Duvo.ChangeRequest], [Duvo.StopJob] and
// [Duvo.DeleteJob] are what other people do in Duvo's own app meanwhile.
package duvotest
