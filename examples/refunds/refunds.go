// Package refunds gives customers their money back: one function, and what it promises.
//
//	desk, err := refunds.Open(ctx, refunds.Config{Folder: "/var/lib/refunds", Assignment: id, UpTo: 5000, Ask: ask})
//	receipt, err := desk.Refund(ctx, "4711", 12000)
//
// An order is refunded once, whoever calls, however often, in whatever process that has
// the folder: a call that is repeated, also after a crash, gets the receipt that there is.
// Small amounts need nobody; a larger one is paid when a person has said yes. The work is
// done by an Assignment of Duvo, of which callers see nothing.
package refunds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/outcome"
)

// A Receipt tells that an order was refunded.
type Receipt struct {
	Order  string
	Cents  int64
	Number string // of the payment
}

// What [Refunds.Refund] returns in place of a receipt; test with errors.Is.
var (
	// ErrInvalid: no such order or amount can be refunded. Nothing was done.
	ErrInvalid = errors.New("refunds: the order or the amount is not valid")
	// ErrOther: the order is, or was, refunded with another amount. Nothing was done now.
	ErrOther = errors.New("refunds: the order has another refund")
	// ErrNotRefunded: it was decided, by a person or the shop, not to refund.
	ErrNotRefunded = errors.New("refunds: not refunded")
	// ErrWaiting: a person has to decide first. Call again later, with the same amount.
	ErrWaiting = errors.New("refunds: waits for a person")
	// ErrUnfinished: it is not known yet what came of it. Call again: nothing is paid twice.
	ErrUnfinished = errors.New("refunds: not finished; call again")
	// ErrUnknown: money may have moved or not, and calling again does not tell. A person
	// has to look.
	ErrUnknown = errors.New("refunds: a person must look whether it was paid")
)

// A Config says how refunds are paid.
type Config struct {
	// Folder keeps what was begun, and who decided what. One process uses it at a time.
	// Required.
	Folder string
	// Assignment is the ID of what refunds. Required.
	Assignment string
	// UpTo is how many cents are paid without asking anybody.
	UpTo int64
	// Ask asks a person about a larger one. The text is safe to show, and whole; by is
	// who has decided. An error means that nobody has. Nil: it waits for the people in
	// Duvo's own inbox, and Refund returns ErrWaiting.
	Ask func(ctx context.Context, text string) (by string, yes bool, err error)

	// Key, Team and URL are those of Duvo. Empty: of the environment, DUVO_API_KEY,
	// DUVO_TEAM_ID and DUVO_API_BASE_URL.
	Key, Team, URL string
	// Poll is how often Duvo is asked how a refund stands; 0: by its age, from 5s.
	Poll time.Duration
	Log  *slog.Logger // nil: slog.Default()
}

// Refunds pays refunds. It is safe for concurrent use.
type Refunds struct {
	pay     *duvotool.Typed[order, paid]
	reg     *duvotool.Registry
	journal *bolt.Journal
	record  *audit.File
}

// An order is what the Assignment takes.
type order struct {
	Order string `json:"order"`
	Cents int64  `json:"cents" jsonschema:"minimum=1"`
}

// What paid is what it answers.
type paid struct {
	Refunded bool   `json:"refunded"`
	Order    string `json:"order"`
	Cents    int64  `json:"cents"`
	Number   string `json:"number,omitempty"`
	Why      string `json:"why,omitempty"`
}

// Open makes it ready, and goes on with what an earlier process has begun.
func Open(ctx context.Context, c Config) (r *Refunds, err error) {
	if c.Folder == "" || c.Assignment == "" || c.UpTo < 0 {
		return nil, errors.New("refunds: Folder and Assignment are needed, and UpTo cannot be negative")
	}
	client, err := c.client()
	if err == nil {
		err = os.MkdirAll(c.Folder, 0o700)
	}
	if err != nil {
		return nil, err
	}
	r = &Refunds{}
	defer func() {
		if err != nil {
			r.Close()
			r = nil
		}
	}()
	if r.journal, err = bolt.Open(filepath.Join(c.Folder, "journal.db")); err != nil {
		return r, err
	}
	if r.record, err = audit.OpenFile(filepath.Join(c.Folder, "audit.jsonl")); err != nil {
		return r, err
	}
	opts := []duvotool.Option{
		duvotool.WithJournal(r.journal), duvotool.WithAudit(r.record), duvotool.WithRetention(10 * 365 * 24 * time.Hour),
		duvotool.WithPolicy(c.policy()), duvotool.Keep(duvotool.ByID(c.Assignment)),
		duvotool.InputOf[order](), duvotool.OutputOf[paid](), duvotool.WithLogger(cmp.Or(c.Log, slog.Default())),
	}
	if c.Poll > 0 {
		opts = append(opts, duvotool.WithPollInterval(c.Poll))
	}
	if r.reg, err = duvotool.Discover(ctx, client, opts...); err != nil {
		return r, err
	}
	tool, err := r.reg.Tool(c.Assignment)
	if err != nil {
		return r, err
	}
	r.pay, err = duvotool.As[order, paid](tool)
	return r, err
}

func (c Config) client() (*duvo.Client, error) {
	if c.Key == "" {
		return duvo.FromEnv()
	}
	opts := []duvo.Option{duvo.WithAPIKey(c.Key), duvo.WithTeam(c.Team)}
	if c.URL != "" {
		opts = append(opts, duvo.WithBaseURL(c.URL))
	}
	return duvo.New(opts...)
}

// Close ends it within a minute. What is under way goes on in Duvo, and is known when it is
// opened again.
func (r *Refunds) Close() error {
	var errs []error
	if r.reg != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		errs = append(errs, r.reg.Close(ctx))
	}
	if r.record != nil {
		errs = append(errs, r.record.Close())
	}
	if r.journal != nil {
		errs = append(errs, r.journal.Close())
	}
	return errors.Join(errs...)
}

var orders = regexp.MustCompile(`\A[A-Za-z0-9-]{1,40}\z`)

// Refund pays so many cents back for an order, once. It waits for the end, and for the
// person who is asked; when ctx ends before, the refund goes on without it.
func (r *Refunds) Refund(ctx context.Context, number string, cents int64) (Receipt, error) {
	if !orders.MatchString(number) || cents <= 0 {
		return Receipt{}, ErrInvalid
	}
	answer, res, err := r.pay.Run(duvotool.WithOperationKey(ctx, "refund of order "+number), order{number, cents})
	if res == nil {
		return Receipt{}, failed(ctx, err)
	}
	right := err == nil && answer.Order == number && answer.Cents == cents
	switch {
	case res.Outcome == outcome.OutcomePending && res.Status == duvo.StatusWaiting:
		return Receipt{}, ErrWaiting
	case res.Outcome == outcome.OutcomePending, res.Outcome == outcome.OutcomeExpired:
		return Receipt{}, ErrUnfinished
	case res.Outcome == outcome.OutcomeCompleted && right && answer.Refunded && answer.Number != "":
		return Receipt{number, cents, answer.Number}, nil
	case res.Outcome == outcome.OutcomeCompleted && right && !answer.Refunded:
		return Receipt{}, fmt.Errorf("%w: %s", ErrNotRefunded, why(res, answer))
	}
	return Receipt{}, fmt.Errorf("%w: Job %s is %s", ErrUnknown, res.JobID, res.Outcome)
}
