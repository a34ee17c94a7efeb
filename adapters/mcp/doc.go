// Package mcp joins duvotool and the Model Context Protocol, both ways: a
// [Client] reaches Duvo through its MCP server, and a [Server] offers a
// registry's tools to any MCP host. It uses the official Go SDK,
// github.com/modelcontextprotocol/go-sdk.
//
// # Duvo through its MCP server
//
//	client, err := mcp.FromEnv(ctx) // DUVO_API_KEY, DUVO_TEAM_ID, DUVO_API_BASE_URL
//	if err != nil { ... }
//	defer client.Close()
//	reg, err := duvotool.Discover(ctx, client)
//
// A [Client] is a [duvo.Client] whose requests travel as tool calls, by a POST
// each to /v2/mcp: a tool is named after the operation of the API, its arguments
// are what stands in the path, the query and the body. No GET stream is opened.
// The key, the Idempotency-Key, the headers of the rate limit and every failure
// are as over REST, and the same code reads, paces and retries. The differences:
//
//	what                    REST                             MCP
//	before the first call   nothing                          2 POSTs to open a session, 4 with a server of
//	                                                         before 2026-07-28; within the first call's timeout
//	a lost session          there is none                    opened anew, unseen; the call that met it is sent
//	                                                         again, since the server refused it unread
//	a 404 of the endpoint   ErrNotFound                      ErrUnavailable: it says nothing of a Job
//	an operation it lacks   ErrNotFound at the call          a MissingError at Connect
//	the kind of a failure   by the HTTP status               by the HTTP status, or else by what the tool's error
//	                                                         says of it; one that does not say counts as a 500
//	a broken read           perhaps sent again by net/http   sent again by this package's retries only
//	a caller that leaves    closes its connection            the same; no cancellation is sent
//	bound of an answer      duvo.WithMaxBody                 and 40 MiB for the message around it
//	bytes of a file         uploadSandboxFile                the same, by REST: how a tool would take them is
//	                                                         not published
//
// Results are read from structured content or from a single text block. With
// [WithOAuth] tokens take the place of the key.
//
// # Assignments for MCP hosts
//
//	reg, err := duvotool.Discover(ctx, client,
//		duvotool.WithPolicy(mcp.Elicit(nil, hitl.For(refunds))),
//		duvotool.WithObserver(mcp.Progress(nil)),
//		duvotool.WithWaitBudget(45*time.Second))
//	if err != nil { ... }
//	server, err := mcp.NewServer(reg)
//	if err != nil { ... }
//	err = server.Run(ctx, &sdk.StdioTransport{})
//
// Each Assignment is a tool with its schema. A call of which nothing came, and a Job
// that failed, are a tool's error; a denial and a Job that still waits are not.
// [Progress] tells the host how the Job is doing, and [Elicit] is a policy that asks the
// host's user. Past the wait budget a call returns a handle, and the tool check_job
// carries what the Job asks later. The program duvo-mcp is such a server.
//
// Who answers an elicitation is not known: it may be the host's model. So such
// decisions are recorded as [hitl.SourceUnauthenticated], and approve only
// what a rule of yours allows. Where the user declines or closes the form, the host
// has no elicitation, or something else comes back, nobody has decided: the
// fallback may, and by default nothing is sent, the model is told why, and the
// request stays open in Duvo. A form that is too short for the text of a request
// takes more than a yes.
//
// A host that gives up on a call and calls again gets the Job that it has: within a
// session, the same tool and input is one Job until its result was returned, by that
// tool or by check_job, in a call that the host had not cancelled and whose connection
// was still there. After that it is a call like any other.
// [WithUserScope] joins across a user's sessions, and over a restart with the
// registry's journal. A form that is open stays open when its call is over, by the
// wait budget or because the host gave up, and its answer counts: at once while the
// Job is watched, else once the next call about it comes, within a quarter of an
// hour. One that went with its connection at once is shown again by the next call. A
// [Desk] is for requests of Jobs that no call is there for.
//
// A tool's name stands for one Assignment for as long as the server lives: where a
// refresh swaps two names, both tools get new ones, and a host with the old list
// is refused.
//
// With peers of revision 2026-07-28 a question ends the request, and the answer
// comes with the next one; it is bound, by a signed state, to the tool, its
// arguments, the session and the digest of what was asked. A state that is not good
// for the call is an error of the protocol, and one without an answer is asked
// again. A host that does not come back within half an
// hour is a caller that has left: nothing is decided.
// One that calls anew is asked anew.
package mcp
