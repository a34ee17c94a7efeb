// Package duvo is a typed client of Duvo's Public API, REST v2.
//
// Duvo runs Assignments (configured remote workers) as Jobs. The wire calls an
// Assignment an "agent", a Job a "run" and a Build a "revision", and Duvo's
// newest documentation has begun to say Agent and Run too; this package says
// Assignment, Job and Build in Go names and uses the wire's words only in JSON
// and URLs.
//
//	client, err := duvo.FromEnv() // DUVO_API_KEY, DUVO_TEAM_ID, DUVO_API_BASE_URL
//	if err != nil { ... }
//	for a, err := range client.Assignments(ctx) {
//		if err != nil { ... }
//		fmt.Println(a.ID, a.Name)
//	}
//
// # Errors
//
// Every failure that the API tells is an [*APIError], every failure on the way
// to it a [*TransportError]. Test for the kind with errors.Is and one of
// [ErrUnauthorized], [ErrForbidden], [ErrNotFound], [ErrConflict],
// [ErrInvalid], [ErrRateLimited], [ErrUnavailable] and [ErrMalformed]. A Job that
// no longer exists is ErrNotFound, however the server says so. Arguments that
// cannot be sent are ErrInvalid; a success whose JSON makes no sense, or says two
// things at once, is ErrMalformed, and nothing of it counts. No error shows a key
// or a token, and all of them are bounded and safe to print.
//
// # What is retried
//
// Reads are retried with a jittered, growing pause after 429, 5xx, a broken
// connection and a broken body. A mutation is sent again only when the failed
// attempt provably had no effect: it was refused with 429, or the connection
// was never made. When the effect is in doubt the error is returned at once and
// [MayHaveTakenEffect] reports true; what to do then depends on the operation,
// and only the caller knows. Stopping a Job, making a sandbox and putting a
// file into one are the exceptions: they are repeated as reads are. All
// attempts of one mutation carry the same Idempotency-Key, and net/http, which
// by itself sends such a request again when a kept connection drops, is kept
// from doing so: where there is no body the header's name is written in lower
// case, which a transport of yours may have to mind. A Retry-After that is longer than the cap (see [WithRetries])
// is not waited for: the error carries it.
//
// # Files for a Job
//
// [Client.StageFiles] puts the files of an [io/fs.FS] into a sandbox, with which a
// Job is then started:
//
//	sandbox, err := client.StageFiles(ctx, os.DirFS("attachments"))
//	if err != nil { ... }
//	job, err := client.StartJob(ctx, duvo.StartJob{AssignmentID: id, SandboxID: sandbox})
//
// [Client.CreateSandbox], [Client.UploadSandboxFile] and [Client.SandboxFiles] are
// the steps of it. What is published of uploads leaves a part open, and the
// upload URL is the server's choice: UploadSandboxFile tells what is assumed and
// what is refused.
//
// # Reading what servers send
//
// The published description and its guide disagree in places; both readings
// are accepted. A pending request is found beside the run or within it, null
// and a missing field are the same, unknown fields and statuses are kept or
// ignored, and a field that only decorates never fails a decode. A human
// request that cannot be read whole is reported as [Malformed], never in part.
package duvo
