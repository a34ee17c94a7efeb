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
// day takes no time. [NewServer] listens on a loopback socket, for programs in
// another process and for what only a real connection shows; it does not work
// under synctest. A [Duvo] is an http.Handler besides. The program
// duvo-emulator serves one from the command line.
//
// # Assignments, Jobs and people
//
// An [Assignment] is scripted in Go, or read from JSON with [LoadScenario];
// [Demo] is one that is built in. Each Job runs its [Script] in a goroutine of
// its own, with a [Job] as its hand: it says things, calls tools, asks people,
// sleeps and ends. A Job passes through pending, starting, running, waiting
// and so on, by [WithPace] as slowly as a test wants.
//
// Other people work in Duvo too: [Duvo.AnswerElsewhere] answers a request in
// Duvo's own inbox, [Duvo.ChangeRequest] replaces it or its text,
// [Duvo.StopJob] and [Duvo.DeleteJob] end the Job, and [Duvo.AddAssignment],
// [Duvo.UpdateAssignment] and [Duvo.RemoveAssignment] change what is on offer.
//
// # What it saw
//
// [Duvo.Jobs] tells what the Jobs did and how each of their requests was
// answered, or walked past. [Duvo.Requests] tells each HTTP request that came
// in, the fault that hit it and whether it had an effect; [Duvo.Count] how
// many there were of an operation; [Duvo.Deliveries] each webhook that was
// sent. Assert on these rather than on what the code under test believes:
//
//	require.Equal(t, 1, len(d.Jobs()))                     // one Job, not two
//	require.Zero(t, d.Count("respondToHumanRequest"))      // nobody was answered
//	require.Nil(t, d.Jobs()[0].Requests[0].Response)       // nor by anybody else
//	require.False(t, d.Jobs()[0].Requests[0].Bypassed)     // nor walked past
//
// [Duvo.SandboxFiles] returns the files that were staged, and [Job.Files] gives
// them to a script.
//
// A request is recorded before it has its effect; its status and effect are
// filled in afterwards.
//
// # What is served
//
// Every operation on teams, Assignments, folders, Jobs, messages, human
// requests and sandboxes, with their validation, their errors, Idempotency-Key
// replay, rate limits ([WithRateLimit]), permissions ([WithForbidden]) and
// webhooks. Without quirks every answer is valid by the published description.
// Where that leaves room:
//
//   - The description gives a row of listRuns no status stopped or
//     needs_attention. The row of a stopped Job tells interrupted, and no
//     filter by status finds it; getRun tells stopped.
//   - What does not fit the state of a Job, and an ID that is none, is 400; an
//     unknown ID is 404. No operation here documents 409.
//   - A list of a team that is not the key's is 400, and a start 403, because
//     these operations document no 404.
//   - A body of more than 1 MiB is 400; a file that is too large is 413.
//   - Idempotency-Key is documented and not described. A request with a key
//     that came before, and the same method, path and body, gets the answer of
//     the first one, also where that was lost; of two at once, the second
//     waits for the first. The key with anything else is 422. Only successes
//     are kept, for as long as the Duvo lives.
//   - Reading a deleted Job gives 200 with a null run, everything else about
//     it 404.
//   - A message to a waiting Job walks past its request as if approved, and
//     the record tells it as Bypassed: the worst that a server might do. A
//     message to a Job that failed or was stopped is kept and resumes nothing.
//   - A Job that is started with a sandbox that does not exist, or has expired,
//     is 404, as for an Assignment. A sandbox that a Job was started with lives
//     on, the others as long as [WithSandboxes] says.
//   - The form of a direct upload is not published: multipart/form-data with the
//     fields path and file, each once. Files lie below /workspace; a path that
//     does not, or where a directory is, is 400, and 403 for an upload URL, which
//     documents no 400. A directory that does not exist is 404.
//   - An upload URL leads to this Duvo itself, at the origin and behind the base
//     path of the request that asked for it. It takes PUT, without a key and any
//     number of times, for 15 minutes; with an Authorization header it is 400.
//     Such requests count for no rate limit, and are told as [UploadToURL].
//   - Webhooks are signed over the raw body as Standard Webhooks are, with
//     headers that [WithWebhookHeaders] renames. They are sent in order, up to
//     six times where they meet a 5xx or a broken connection, with pauses that
//     begin with a second and double; what is sent again holds back nothing
//     behind it.
//
// # Profiles
//
// A [Profile] chooses where servers may differ. The zero value is the first
// row of each.
//
//	Idempotency  KeysHonoured        a key and its body have one effect
//	             KeysIgnored         the header means nothing
//	Respond      CheckRequest        only to the request that the Job waits for, in its form
//	             CheckWaiting        to any request of the Job, while it waits for some
//	             ApplyToAny          to any ID at all, while the Job waits
//	Stop         StopsWaiting        a waiting Job stops
//	             WaitingUnstoppable  success is told, and it waits on
//	Since        SinceCreated        since bounds when a Job was created
//	             SinceCompleted      since bounds when it completed, and leaves out what runs
//
// # Quirks
//
// [Quirks] switches on what servers do beyond the description.
//
//	NestedPending    the pending request stands within the run
//	ToolMessageLast  a tool message without text follows the last answer
//	UnknownStatus    a running Job tells a status that nobody documented
//	UnknownFields    every object has one field more
//	ExtraMessages    so many messages come first, which makes more than a page
//	OtherMessages    messages that are no answer stand among them, also in the
//	                 assistant's role and last; why a Job failed is told by one of them
//
// [Job.AskUntyped] is one more, of a single request: its type is not described,
// and it cannot be answered through the API.
//
// # Faults
//
// [Duvo.Inject] queues faults, for one operation or any, and
// [Duvo.InjectFunc] asks a function, for chaos. Both work alike in memory and
// over a socket.
//
//	kind          effect   the caller sees
//	NoFault       at once  the answer, after Latency
//	ResetBefore   never    a connection reset
//	ResetAfter    at once  a connection reset
//	LateEffect    later    a connection reset, at once
//	StatusBefore  never    Status, 503 by default
//	StatusAfter   at once  Status, 503 by default
//	Truncate      at once  half of the answer
//	NotJSON       at once  200 with a page of HTML
//	Hang          never    nothing, until its context ends
//
// [Duvo.InjectWebhook] drops, repeats, delays and reorders webhooks. Faults of
// operations and events that do not exist panic, so that no test passes
// because of a slip of the pen.
package duvotest
