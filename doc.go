// Package duvotool turns every Duvo Assignment into a tool of a Go LLM agent,
// runs the Job behind each call to its end, and lets a policy that you write,
// never the model, decide what a waiting Job is told.
//
// Duvo runs Assignments (configured remote workers) as Jobs. A Job may stop and
// ask a person: for an approval before it refunds, sends or deletes, or for
// answers to questions. (Duvo's newest documentation has begun to say Agent and
// Run; this module says Assignment and Job.)
//
//	client, err := duvo.FromEnv()
//	if err != nil { ... }
//	reg, err := duvotool.Discover(ctx, client,
//		duvotool.WithPolicy(hitl.Forward(askOperator)))
//	if err != nil { ... }
//	defer reg.Close(context.Background())
//
//	agent, err := langchaingo.NewAgent(model, reg) // adapters/langchaingo
//	if err != nil { ... }
//	ctx = duvotool.WithOperationScope(ctx, conversationID)
//	answer, err := chains.Run(ctx, agents.NewExecutor(agent), complaint)
//
// # The other packages
//
// Of this module:
//
//   - [github.com/duvotool/duvotool/hitl]: human decisions: what a policy sees and answers, and policies to compose
//   - [github.com/duvotool/duvotool/outcome]: what a call comes to: results, events, errors
//   - [github.com/duvotool/duvotool/health]: how a registry is: what waits, and what does not work
//   - [github.com/duvotool/duvotool/journal]: what survives a restart, and where it is kept
//   - [github.com/duvotool/duvotool/audit]: who decided what: write, read, verify
//   - [github.com/duvotool/duvotool/duvo]: the client of Duvo's Public API
//   - [github.com/duvotool/duvotool/duvotest]: a whole Duvo in one process, for tests
//   - [github.com/duvotool/duvotool/duvotooltest]: helps to test policies, journals and backends of your own
//   - [github.com/duvotool/duvotool/adapters/terminal]: asks at the program's own terminal
//   - [github.com/duvotool/duvotool/adapters/notify]: tells people that a request waits
//
// Modules of their own:
//
//   - [github.com/duvotool/duvotool/adapters/langchaingo]: an agent for models that call tools, and the pieces for a loop of your own
//   - [github.com/duvotool/duvotool/adapters/mcp]: Duvo through its MCP server, and Assignments for MCP hosts
//   - [github.com/duvotool/duvotool/adapters/mcp/duvotestmcp]: the MCP server of the emulator
//   - [github.com/duvotool/duvotool/adapters/bolt]: the journal on disk
//   - [github.com/duvotool/duvotool/adapters/postgres]: the journal in Postgres, for one process or many
//   - [github.com/duvotool/duvotool/adapters/postgres/postgrestest]: a Postgres server for tests
//   - [github.com/duvotool/duvotool/adapters/inbox]: a desk in a browser at which people decide
//   - [github.com/duvotool/duvotool/adapters/inbox/passkey]: proves by passkey who decided there
//   - [github.com/duvotool/duvotool/adapters/inbox/oidc]: signs people in there by OpenID Connect
//   - [github.com/duvotool/duvotool/adapters/slack]: people decide in Slack
//   - [github.com/duvotool/duvotool/adapters/temporal]: operations on a Temporal server
//
// # Options
//
// [Discover] takes all of them. Those marked with * can be given to some Assignments
// alone, by [Configure]; of two the later one wins, and one of Configure wins over one
// of Discover.
//
//   - Which Assignments are offered, under which names: [Keep], [WithAcceptance], [WithRefreshEvery], [DiscoverLater], [ReserveNames], [ShortNames]
//   - Which options some of them have: [Configure]
//   - Who decides what Jobs ask: [WithPolicy]*, [TellReason]*
//   - What is recorded of it: [WithAudit], [WithAuditTexts]
//   - What tools take and answer: [InputOf]*, [RenderInput]*, [InputSchema]*, [OutputOf]*, [CorrectOnce]*, [OfferTo], [WithMaxInput]*, [WithMaxObservation]*
//   - How many Jobs there are: [OncePerScope]*, [WithJobLimit], [WithAssignmentLimit]*, [WithFollowUps]*
//   - How long a call waits, and what ends a Job: [WithWaitBudget]*, [WithJobTimeout]*, [StopOn]*
//   - What survives a restart, and is shared with replicas: [WithJournal], [WithJournalKey], [WithLease], [WithRetention], [WithoutResume], [DrainOnClose], [OnHost]
//   - Who is told: [WithObserver], [WithCallbacks], [WithLiveMessages]*, [WithLogger]
//   - How Duvo is read and written: [WithPollInterval], [WithWebhook], [WithWebhookSignature], [WithPostTimeout], [WithSettleTime], [WithMarkedStarts]*
//   - What Duvo is trusted with: [TrustKeys], [TrustLists]
//
// # The path of a call
//
// [Tool.Call] starts a Job on the model's input, reads it until it ends, asks
// the [hitl.Policy] whenever it waits for a person, sends what was decided, and
// returns what the model is to read. [Tool.Run] is the same path with a typed
// [outcome.Result]. Nothing in the model's text, and nothing in the Job's, can answer a
// human request.
//
// A decision is bound to the text it was made about. Just before it is sent the
// Job is read again; if the request is gone or reads differently, the decision
// is thrown away, and the policy is asked anew. Duvo's API has no
// compare-and-set, so an answer given elsewhere between that read and the
// response cannot be noticed.
//
// An unclear response (its answer lost, or a 5xx) is sent again unchanged, once a
// read after a settle time still shows the same request. How far that protects
// depends on what Duvo checks, which it does not publish: where it neither
// honours the Idempotency-Key nor checks the request's ID, a response that lands
// later than the settle time could reach the Job's next request. [TrustKeys]
// declares that it does both; the settle time is then about 2 s.
//
// # One Job per operation
//
// Every call belongs to an operation, named by a key: [WithOperationKey] for
// one call, [WithOperationScope] for an agent run, else a fresh one. Calls of
// one operation share one Job. A start whose answer was lost is sent again with
// the same Idempotency-Key; Duvo documents that it honours the key, but not for
// how long, so after 15 minutes without an answer the outcome is
// [outcome.OutcomeUnknown] and the key starts nothing more until [Registry.Reconcile].
// Operations are remembered by the registry, or, [WithJournal], across processes.
// With [OncePerScope] the scope wins over keys: it has one operation, whatever key
// and input its calls come with.
//
// Several operations may hold one Job: the one that started it, and those that
// went on with it by a message. Of them one answers each human request: before a
// response is sent a claim is made to it, and who comes second treats the request
// as decided elsewhere. A start that the server answers with a Job which another
// operation started is refused with [outcome.ErrForeignJob].
//
// When a caller's context ends its call returns at once, and nothing more is
// sent on its behalf. The Job goes on in Duvo. The [*outcome.JobError] holds the key
// with which a later call takes it up again.
//
// # After a crash
//
// With a journal an operation is recorded before its start is sent, when its Job
// is known, before the policy is asked, when it has decided, before and after a
// response is sent, and when its outcome is known. Records of their own tell whose
// a Job is, once it is started, and who answers a request, once that is decided;
// an operation that finds its own there goes on. What the next process does
// depends on how far the journal had come:
//
//	recorded last     what is done                                      outcome
//	nothing           nothing was sent                                  -
//	the start         look for the Job; else send the start again,      the Job's, or unknown
//	                  unchanged, within 15 minutes and with the same
//	                  API key
//	the Job           read it and go on                                 the Job's
//	the request       ask the policy again                              the Job's
//	the decision      send it, if the same request still waits, the     the Job's
//	                  decision is at most 15 minutes old and the
//	                  policy does not deny it by now; else ask again
//	the sending       once it has settled, send the same again if the   accepted, or unconfirmed
//	                  request still waits and the policy does not
//	                  deny it by now; else never
//	the outcome       nothing                                           the same Result
//
// [Discover] fails while Duvo cannot be reached; with [DiscoverLater] it returns a
// registry that takes up what is in flight and has its tools later.
//
// Two processes may share a journal: each change is a compare-and-set, and who
// comes second goes on from what the first has recorded. Processes that do not
// share one rely on Duvo's Idempotency-Key alone. The messages of a Result are
// kept while they are at most 1 MiB, and its output while the record has at most
// 4 MiB; a larger Result comes from the journal without them, with a Note where its
// output is missing. Its first caller gets all of it.
//
// A policy denies by now what it denies whatever anybody says: by a rule, or
// without condition, as a case of hitl.Route that goes to [hitl.AlwaysDeny]. See
// [hitl.Vetoer] and [hitl.Foreseer]. AlwaysDeny behind others only stands for no opinion.
//
// # Waiting
//
// A registry has one watcher for all its Jobs. It reads a Job by its age, as Duvo
// advises, or at once when a webhook or a response calls for it. Where many Jobs
// are in flight it looks for changes in pages of the team's list instead,
// whichever takes fewer requests; what a page tells is a hint, and the read of
// the Job decides. See [JobLister], [WithWebhook], [WithWaitBudget] and
// [WithJobLimit]. A Job that waits costs about 2 KiB and no goroutine but its
// caller's.
//
// # Large catalogs
//
// [Registry.Search] finds tools by words in people's language.
// [Registry.SearchTool] and [Registry.RunTool] give that to a model, and
// [Registry.RouterTool] is one tool for the whole catalog. They are other doors
// to the same tools: what a call may do, its key and its policy stay the same.
//
// # Typed tools
//
// A tool takes plain text, or, with [InputOf], [RenderInput] or [InputSchema],
// JSON arguments that are checked before a Job starts. [Tool.SchemaFor] offers them in
// the dialect of a provider. [OutputOf] says what the Job's answer must decode into.
// [As] gives a tool Go types at both ends.
//
// # Frameworks
//
// [Registry.Tools] are langchaingo's. [Registry.Callables] are the same for any other
// framework, and [RunCalls] runs the calls of one turn of a model.
//
// # Observation or error
//
// A langchaingo executor ends its run on a tool's error. So what a model can
// act on is an observation with a nil error, and an error is for what it cannot
// mend:
//
//	what happened                                 Call returns           Run returns
//	the Job completed                             observation            Result, completed
//	completed after a denial                      observation + denial   Result, completed
//	the Job failed                                observation            Result, failed
//	the Job was stopped                           observation            Result, stopped
//	the Job was interrupted                       observation            Result, interrupted
//	the Job no longer exists                      observation            Result, gone
//	the time of WithJobTimeout is over            observation            Result, expired
//	a question was denied, the Job still waits    observation            Result, pending
//	nobody could be asked, the Job still waits    observation            Result, pending
//	a request of a kind nobody here can answer    observation            Result, pending
//	the policy suspended its decision             observation            Result, pending
//	the wait budget is used up                    observation            Result, pending, Handle
//	a start whose effect cannot be told           observation            Result, unknown
//	the input is empty, too long or not UTF-8     observation            *InputError
//	the arguments of a typed tool do not fit      observation            *InputError
//	the Assignment is no longer offered           observation            *InputError
//	Duvo does not accept the input                observation            *InputError
//	the key is wrong or may not do this           *JobError              *JobError
//	Duvo cannot be reached to start the Job       *JobError              *JobError
//	the journal cannot be read or written         *JobError              *JobError
//	the policy erred, panicked or does not fit    *JobError              *JobError
//	no Job may start, as the audit fails          *JobError              *JobError
//	Duvo refused the response                     *JobError              *JobError
//	the context ended                             *JobError              *JobError
//	reads of the Job stay malformed for minutes   *JobError              *JobError
//	a Job is told to run another Assignment       *JobError              *JobError
//	the registry was closed                       *JobError              *JobError
//	the operation key stands for another call     *JobError              *JobError
//	the start got the Job of another operation    *JobError              *JobError
//
// An outage while a Job runs is none of these: it is read again, less and less
// often, until Duvo is back or the context ends.
package duvotool
