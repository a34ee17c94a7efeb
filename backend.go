package duvotool

import (
	"context"
	"io/fs"
	"iter"

	"github.com/duvotool/duvotool/duvo"
)

// A Backend is what a registry needs of Duvo. [*duvo.Client] is one.
//
// StartJob and Respond are called with a context made by [duvo.WithoutResend]:
// they send their request once, return an error for which
// [duvo.MayHaveTakenEffect] tells whether that may have done something, and
// leave it to the registry to send again. All methods may be called at once.
//
// The context of StartJob, Respond and PostMessage also says until when the request
// may begin, see [duvo.NotAfter]: a response and a message rest on a read of five
// seconds ago at most, and nothing begins once the caller has left. A backend that
// waits before it sends, for a token say, asks [duvo.MayBegin] after that and
// returns its error. The Job is then read again; a response that is too late six
// times ends the call.
//
// Which Assignment a Job runs must be told, in AssignmentID, by StartJob or by
// Job, best by both: a Job that asks for a decision before either has told it
// ends its call with [outcome.ErrOtherJob], and no policy is asked. A Job that is
// continued was started by another call, so for that one Job must tell. What
// names another Assignment or Job than the one that was asked for ends the call
// likewise.
type Backend interface {
	// Assignments lists what can be started, with the latest Builds.
	Assignments(context.Context) iter.Seq2[duvo.Assignment, error]
	// StartJob starts a Job; the same IdempotencyKey starts it once.
	StartJob(context.Context, duvo.StartJob) (duvo.Job, error)
	// Job reads a Job and the request it waits for. A Job that no longer
	// exists is an error that matches duvo.ErrNotFound.
	Job(ctx context.Context, id string) (duvo.Job, error)
	// Messages lists all messages of a Job, oldest first.
	Messages(ctx context.Context, jobID string) iter.Seq2[duvo.Message, error]
	// Respond answers a human request.
	Respond(context.Context, duvo.Response) error
}

// A FolderLister is a [Backend] that knows folders. [InFolder] needs one.
type FolderLister interface {
	Folders(context.Context) ([]duvo.Folder, error)
}

// A JobStopper is a [Backend] that can stop Jobs. [StopOn] needs one.
type JobStopper interface {
	// StopJob asks for the Job to be stopped. A nil error proves nothing.
	StopJob(ctx context.Context, id string) error
}

// A JobMessenger is a [Backend] that can post messages to Jobs. [TellReason] and
// [CorrectOnce] need one.
type JobMessenger interface {
	// PostMessage posts a message, which resumes a Job that has completed. From
	// then on Messages lists it, with the role "user" and the text as it is.
	PostMessage(ctx context.Context, jobID, text, idempotencyKey string) (duvo.Message, error)
}

// A JobLister is a [Backend] that can list Jobs. Where many Jobs are in flight,
// a registry looks through pages of the list instead of reading each Job.
type JobLister interface {
	// JobPage reads one page of the team's Jobs by one request.
	JobPage(context.Context, duvo.JobFilter) (duvo.JobPage, error)
}

// A FileStager is a [Backend] that can put files where a Job finds them.
// [WithFiles] needs one.
type FileStager interface {
	// StageFiles puts the files into a new sandbox. No error of it has started
	// a Job.
	StageFiles(context.Context, fs.FS) (sandboxID string, err error)
}

// A SandboxMaker is a [Backend] that can make sandboxes. [WithMarkedStarts] needs
// one.
type SandboxMaker interface {
	CreateSandbox(context.Context) (duvo.Sandbox, error)
}

var (
	_ FileStager   = (*duvo.Client)(nil)
	_ SandboxMaker = (*duvo.Client)(nil)
)
