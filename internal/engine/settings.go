package engine

import (
	"net/url"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// A Config is what the engine needs of the options.
type Config struct {
	Audit       audit.Log
	AuditTexts  bool          // records of decisions hold the texts too
	PollEvery   time.Duration // zero: by the Job's age
	TrustLists  bool
	PostTimeout time.Duration
	Settle      time.Duration
	TrustKeys   bool // the server honours keys, and checks a response against its request
	Retention   time.Duration
	JobLimit    int             // zero: none
	Journal     journal.Journal // nil: none
	JournalKeys []journalKey
	NoResume    bool
	Lease       time.Duration // of a replica, where the journal has leases
	WebhookURL  *url.URL      // nil: none
	WebhookKey  []byte        // what the tokens of webhooks' URLs are made with; never empty with a WebhookURL
	OffersCheck bool          // some tool has a wait budget
}

// Settings are how the engine runs the Jobs of a tool.
type Settings struct {
	Policy         hitl.Policy
	JobTimeout     time.Duration // of the Job's own time; zero: none
	StopOn         map[outcome.StopCause]bool
	OncePerScope   bool
	TellReason     bool
	LiveMessages   bool
	Output         *Output // nil: whatever the Job says
	Correct        bool
	FollowUps      bool
	Marked         bool
	WaitBudget     time.Duration // zero: none
	Limit          int           // Jobs in flight; zero: none
	MaxInput       int           // bytes
	MaxObservation int           // characters of the Job's output in the observation
	MaxMessages    int
	MaxOutput      int64 // bytes of all messages' text
}

// A Work is what an operation needs to know of a tool. It is never changed.
type Work struct {
	Assignment duvo.Assignment
	Name       string // of the tool
	Folder     string // the path of its folder
	Settings   Settings
}

// folded is the work with the ID of its Assignment in lower case: a server, or
// another way to it, may come to spell it otherwise, and it is the same Assignment.
func (w *Work) folded() *Work {
	out := *w
	out.Assignment.ID = strings.ToLower(w.Assignment.ID)
	return &out
}
