package duvotool

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// WithJournal keeps in j what the registry must remember of its operations.
// Without it they are remembered by the registry alone and end with it.
//
// [Discover] takes up every Job that the journal holds unfinished, see
// [Registry.Resumed] and [WithoutResume], and an operation key that the journal
// knows gets the [Result] of then. Close the journal after the registry.
func WithJournal(j Journal) Option {
	return optionFunc(func(c *config) error {
		if j == nil {
			return errors.New("WithJournal: the journal is nil")
		}
		c.journal = j
		return nil
	})
}

// WithJournalKey encrypts what goes into the journal, by AES-256-GCM, with a key
// of 32 bytes; the journal then shows no text, no ID and no name. Given more
// than once, the first key encrypts and the others are only read with, so that a
// key can be replaced: what was written with the old one is written anew
// whenever it changes.
func WithJournalKey(key []byte) Option {
	return optionFunc(func(c *config) error {
		k, err := newJournalKey(key)
		if err != nil {
			return fmt.Errorf("WithJournalKey: %w", err)
		}
		c.journalKeys = append(c.journalKeys, k)
		return nil
	})
}

// WithoutResume leaves the unfinished Jobs of the journal as they are until a
// call with their operation key or [Registry.Resume] takes them up. It is for
// registries that share a journal with others which are at work.
func WithoutResume() Option {
	return optionFunc(func(c *config) error { c.noResume = true; return nil })
}

// A journalKey encrypts records and makes their names.
type journalKey struct {
	seal cipher.AEAD
	name []byte
}

func newJournalKey(key []byte) (journalKey, error) {
	if len(key) != 32 {
		return journalKey{}, fmt.Errorf("the key has %d bytes; it must have 32", len(key))
	}
	derive := func(use string) []byte { return mac(key, []byte("duvotool journal "+use)) }
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		return journalKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return journalKey{aead, derive("name")}, err
}

// A ledger is how a registry uses its journal. Its methods may be called at
// once, and do nothing on a nil ledger.
type ledger struct {
	journal Journal
	keys    []journalKey // empty: in the clear
	owner   string       // of this registry's records
	timeout time.Duration
	life    *lifetime
}

func newLedger(c config, life *lifetime) *ledger {
	if c.journal == nil {
		return nil
	}
	return &ledger{journal: c.journal, keys: c.journalKeys, owner: rand.Text(), timeout: c.postTimeout, life: life}
}

// The kinds of records, by the beginning of their keys.
const (
	opRecord      = "op-"  // an operation
	barrierRecord = "bar-" // bars an Assignment in a scope: its outcome there is unknown
)

var nameCoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// names returns the keys that a record of this kind about a thing may have: the
// one that new records get first.
func (l *ledger) names(kind string, parts ...string) []string {
	name := func(sum []byte) string { return kind + strings.ToLower(nameCoding.EncodeToString(sum[:16])) }
	text := []byte(hash(append([]string{kind}, parts...)...))
	if len(l.keys) == 0 {
		sum := sha256.Sum256(text)
		return []string{name(sum[:])}
	}
	var out []string
	for _, k := range l.keys {
		out = append(out, name(mac(k.name, text)))
	}
	return out
}

// find reads the record of this kind about a thing; false if there is none.
func (l *ledger) find(ctx context.Context, kind string, parts ...string) (r Record, found bool, err error) {
	for _, name := range l.names(kind, parts...) {
		if r, found, err = l.get(ctx, name); found || err != nil {
			return r, found, err
		}
	}
	return Record{}, false, nil
}

func (l *ledger) get(ctx context.Context, key string) (r Record, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	err = l.safely(func() (err error) {
		r, err = l.journal.Get(ctx, key)
		return err
	})
	switch {
	case err == nil && r.Key != key:
		return Record{}, false, fmt.Errorf("%w: it was asked for one record and gave another", ErrJournal)
	case err == nil:
		return r, true, nil
	case errors.Is(err, ErrNoRecord):
		return Record{}, false, nil
	}
	return Record{}, false, err
}

// unfinished lists the records of operations that are not done.
func (l *ledger) unfinished(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		going := true
		err := l.safely(func() error {
			for rec, err := range l.journal.Unfinished(ctx) {
				if err != nil {
					return err
				}
				if !strings.HasPrefix(rec.Key, opRecord) {
					continue
				}
				if going = yield(rec, nil); !going {
					return nil
				}
			}
			return nil
		})
		if err != nil && going {
			yield(Record{}, err)
		}
	}
}

// put stores a record and returns its new revision. A caller's cancellation does
// not reach it.
func (l *ledger) put(r Record) (revision uint64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	r.At = time.Now()
	err = l.safely(func() (err error) {
		revision, err = l.journal.Put(ctx, r)
		return err
	})
	if err == nil && revision <= r.Revision {
		err = fmt.Errorf("%w: the revision %d does not come after %d", ErrJournal, revision, r.Revision)
	}
	return revision, err
}

// safely runs a call of the journal. What it returns matches ErrJournal, but
// for ErrNoRecord and ErrConflict.
func (l *ledger) safely(f func() error) (err error) {
	func() {
		defer recoverAs(&err, ErrJournal)
		defer l.life.callback("journal")()
		err = f()
	}()
	if err == nil || errors.Is(err, ErrNoRecord) || errors.Is(err, ErrConflict) || errors.Is(err, ErrJournal) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrJournal, err)
}

// The form of a record's data: a byte for its version, a byte for its form, and
// the entry in that form.
const (
	dataVersion = 1
	dataPlain   = 0
	dataSealed  = 1
)

// close makes the data of the record with this key.
func (l *ledger) close(v any, key string) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	if len(l.keys) == 0 {
		return append([]byte{dataVersion, dataPlain}, text...), nil
	}
	return l.keys[0].seal.Seal([]byte{dataVersion, dataSealed}, nil, text, []byte(key)), nil // for this record and no other
}

// open reads a record's data.
func (l *ledger) open(r Record, v any) error {
	bad := func(why string) error { return fmt.Errorf("%w: the record %s %s", ErrJournal, r.Key, why) }
	if len(r.Data) < 2 {
		return bad("is cut off")
	}
	if r.Data[0] != dataVersion {
		return bad(fmt.Sprintf("has the format %d; this program knows %d: it was written by another version", r.Data[0], dataVersion))
	}
	text := r.Data[2:]
	switch r.Data[1] {
	case dataPlain:
		if len(l.keys) > 0 {
			return bad("is not encrypted, though WithJournalKey asks for it")
		}
	case dataSealed:
		if len(l.keys) == 0 {
			return bad("is encrypted; give its key by WithJournalKey")
		}
		var err error
		for _, k := range l.keys {
			if text, err = k.seal.Open(nil, nil, r.Data[2:], []byte(r.Key)); err == nil {
				break
			}
		}
		if err != nil {
			return bad("cannot be decrypted: the key is another, or it was tampered with")
		}
	default:
		return bad(fmt.Sprintf("has the unknown form %d", r.Data[1]))
	}
	if err := json.Unmarshal(text, v); err != nil {
		return bad("is no valid JSON")
	}
	return nil
}

// An entry is what the journal holds of an operation.
type entry struct {
	Key        string          `json:"key"`
	Scope      string          `json:"scope,omitempty"`
	Caller     Caller          `json:"caller,omitzero"`
	Assignment duvo.Assignment `json:"assignment"`
	Folder     string          `json:"folder,omitempty"`
	Input      string          `json:"input"`
	Owner      string          `json:"owner"` // the registry that wrote it
	Phase      Phase           `json:"phase"`
	Parked     bool            `json:"parked,omitempty"` // not taken up by itself

	Webhook    string    `json:"webhook,omitempty"`
	Sandbox    string    `json:"sandbox,omitempty"`
	Files      bool      `json:"files,omitempty"` // it is to be started with files
	FirstSent  time.Time `json:"first_sent,omitzero"`
	LastSent   time.Time `json:"last_sent,omitzero"`
	Doubtful   bool      `json:"doubtful,omitempty"`
	Credential string    `json:"credential,omitempty"` // a print of what the start was sent with

	JobID     string        `json:"job_id,omitempty"`
	CreatedAt time.Time     `json:"created_at,omitzero"`
	BuildID   string        `json:"build_id,omitempty"`
	Status    duvo.Status   `json:"status,omitempty"`
	StartedAt time.Time     `json:"started_at,omitzero"`
	Worked    time.Duration `json:"worked,omitempty"`

	Requests  []requestEntry  `json:"requests,omitempty"`
	Decisions []DecisionEntry `json:"decisions,omitempty"`
	Note      string          `json:"note,omitempty"`
	Told      bool            `json:"told,omitempty"`
	Stopping  bool            `json:"stopping,omitempty"`
	FollowUp  *followUp       `json:"follow_up,omitempty"`
	Answer    *answerState    `json:"answer,omitempty"`
	Result    *Result         `json:"result,omitempty"`
}

// A requestEntry is what the journal holds of a human request.
type requestEntry struct {
	ID        string            `json:"id"`
	Digest    string            `json:"digest"`
	Kind      duvo.RequestType  `json:"kind"`
	Title     string            `json:"title"`
	FirstSeen time.Time         `json:"first_seen"`
	Stage     string            `json:"stage"`
	Gone      bool              `json:"gone,omitempty"`
	Decision  int               `json:"decision,omitempty"` // which of the entry's decisions, from one; zero: none
	Approved  *bool             `json:"approved,omitempty"` // of the sealed response
	Answers   map[string]string `json:"answers,omitempty"`  // of the sealed response
	IdemKey   string            `json:"idempotency_key,omitempty"`
	DecidedAt time.Time         `json:"decided_at,omitzero"`
	SentAt    time.Time         `json:"sent_at,omitzero"`
	Reached   bool              `json:"reached,omitempty"`
	Doubts    int               `json:"doubts,omitempty"`
	Why       string            `json:"why,omitempty"`
}

// maxJournaledMessages bounds the messages of a Result that the journal keeps, in
// bytes of their JSON. Above it a Result that comes from the journal has none.
const maxJournaledMessages = 1 << 20

// stages as the journal writes them. What was only asked is asked again.
var stageNames = map[stage]string{stageNew: "new", stageAsking: "new", stageSuspended: "new",
	stageDecided: "decided", stageSending: "sending", stageDone: "done", stageNobody: "nobody"}

func stageNamed(name string) (stage, bool) {
	for s, n := range stageNames {
		if n == name && s != stageAsking && s != stageSuspended {
			return s, true
		}
	}
	return 0, false
}

// entry is what the journal is to hold of the operation as it is now. Called by
// who owns the mail.
func (op *operation) entry() entry {
	s := &op.job
	op.mu.Lock()
	e := entry{Key: op.key, Scope: op.scope, Caller: op.caller, Assignment: op.tool.assignment, Folder: op.tool.folder,
		Input: op.input, Owner: op.reg.ledger.owner, Phase: op.phase}
	op.mu.Unlock()
	if b := s.startState; b != nil {
		e.Webhook, e.Sandbox, e.Files, e.FirstSent, e.LastSent, e.Doubtful, e.Credential = b.webhook, b.sandbox, b.files, b.firstSent, b.lastSent, b.doubtful, b.credential
	}
	e.JobID, e.CreatedAt, e.BuildID, e.Status, e.StartedAt, e.Worked = s.id, s.created, s.buildID, s.status, s.startedAt, s.worked
	e.Decisions, e.Note, e.Told, e.Stopping, e.Parked, e.FollowUp, e.Answer = s.decisions(), s.note, s.told, s.stopping, s.parked, s.followUp, s.answer
	for id, p := range s.requests {
		q := requestEntry{ID: id, Digest: p.digest, Kind: p.request.Kind, Title: p.request.Title, FirstSeen: p.firstSeen, Stage: stageNames[p.stage],
			Gone: p.gone, DecidedAt: p.decidedAt, SentAt: p.sentAt, Reached: p.reached, Doubts: p.doubts, Why: p.why}
		for i, d := range s.entries {
			if d == p.entry {
				q.Decision = i + 1
			}
		}
		if r := p.sealed; r != nil {
			q.Approved, q.Answers, q.IdemKey = r.Approved, r.Answers, r.IdempotencyKey
		}
		e.Requests = append(e.Requests, q)
	}
	return e
}

// maxSkew is how far the clocks of those who share a journal may be apart. A
// time of a record that lies further ahead comes from a clock that was wrong.
const maxSkew = 5 * time.Minute

// notAfter returns the earlier of a record's time and now: nothing that was
// recorded is yet to come.
func notAfter(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// restore is the opposite of entry.
func (s *jobState) restore(op *operation, e entry) error {
	*s = jobState{id: e.JobID, created: e.CreatedAt, buildID: e.BuildID, status: e.Status, startedAt: e.StartedAt, worked: e.Worked,
		note: e.Note, told: e.Told, stopping: e.Stopping, parked: e.Parked, followUp: e.FollowUp, answer: e.Answer, stopAgain: e.Stopping}
	now := time.Now()
	if e.JobID == "" {
		if e.FirstSent.After(now.Add(maxSkew)) {
			e.FirstSent = now.Add(-startDoubtMax - time.Second) // too long ago, for all we know
		}
		s.startState = &startState{e.Webhook, e.Sandbox, e.Files, notAfter(e.FirstSent, now), notAfter(e.LastSent, now), e.Doubtful, e.Credential, e.Owner}
	}
	if f := s.followUp; f != nil {
		f.FirstAt, f.SentAt = notAfter(f.FirstAt, now), notAfter(f.SentAt, now)
	}
	if a := s.answer; a != nil {
		a.Corrected = notAfter(a.Corrected, now)
	}
	for i := range e.Decisions {
		s.entries = append(s.entries, &e.Decisions[i])
	}
	for _, q := range e.Requests {
		st, ok := stageNamed(q.Stage)
		if !ok || q.ID == "" || q.Decision < 0 || q.Decision > len(s.entries) {
			return fmt.Errorf("%w: operation %s: the request %s makes no sense", ErrJournal, SafeLine(e.Key, 120), SafeLine(q.ID, 64))
		}
		if q.DecidedAt.After(now.Add(maxSkew)) {
			q.DecidedAt = time.Time{} // nobody knows how old it is
		}
		q.FirstSeen, q.DecidedAt, q.SentAt = notAfter(q.FirstSeen, now), notAfter(q.DecidedAt, now), notAfter(q.SentAt, now)
		p := &pendingState{id: q.ID, digest: q.Digest, firstSeen: q.FirstSeen, stage: st, gone: q.Gone, decidedAt: q.DecidedAt, sentAt: q.SentAt,
			reached: q.Reached, doubts: q.Doubts, why: q.Why, recheck: true, recorded: true,
			request: Request{JobID: e.JobID, ID: q.ID, Kind: q.Kind, Title: q.Title, Assignment: e.Assignment, BuildID: e.BuildID, Folder: e.Folder,
				Input: e.Input, Caller: e.Caller, Key: e.Key, FirstSeen: q.FirstSeen}}
		if q.Decision > 0 {
			p.entry = s.entries[q.Decision-1]
		}
		if q.IdemKey != "" {
			p.sealed = &duvo.Response{JobID: e.JobID, RequestID: q.ID, Approved: q.Approved, Answers: q.Answers, IdempotencyKey: q.IdemKey}
		}
		if (st == stageDecided || st == stageSending) && (p.sealed == nil || p.entry == nil) {
			return fmt.Errorf("%w: operation %s: the response to the request %s is not there", ErrJournal, SafeLine(e.Key, 120), SafeLine(q.ID, 64))
		}
		if st == stageSending {
			// The last attempt may be on its way still.
			p.settle = op.reg.cfg.settle + op.reg.cfg.postTimeout
		}
		if s.requests == nil {
			s.requests = map[string]*pendingState{}
		}
		s.requests[q.ID] = p
	}
	return nil
}

// save puts the operation into the journal as it is now, with what set changes.
// It does nothing without a journal. Called by who owns the mail.
func (op *operation) save(set func(*entry)) error {
	l := op.reg.ledger
	if l == nil {
		return nil
	}
	e := op.entry()
	if set != nil {
		set(&e)
	}
	if e.Result != nil && sizeOf(e.Result.Messages) > maxJournaledMessages {
		r := *e.Result
		r.Messages = nil
		e.Result = &r
	}
	r := Record{Key: op.record.key, Revision: op.record.revision}
	// It needs nothing more if its outcome is known, or if it is left to a
	// caller who has no key to come back with, or who finds nothing started.
	r.Done = e.Result != nil && e.Result.Outcome != OutcomeUnknown ||
		e.Parked && (strings.HasPrefix(e.Key, freshPrefix) || e.JobID == "" && !e.Doubtful)
	var err error
	if r.Data, err = l.close(e, r.Key); err != nil {
		return err
	}
	revision, err := l.put(r)
	for _, p := range op.job.requests {
		p.announced = time.Time{} // whoever announced an attempt says so anew
	}
	if err == nil {
		op.record.revision = revision
		if b := op.job.startState; b != nil {
			b.owner = ""
		}
	}
	return err
}

func sizeOf(messages []duvo.Message) (n int) {
	for _, m := range messages {
		n += len(m.Text) + 200
		if m.ToolCall != nil {
			n += len(m.ToolCall.Arguments)
		}
		if m.ToolResult != nil {
			n += len(m.ToolResult.Result)
		}
	}
	return n
}

// mustSave is save where what comes next depends on it. It returns false if the
// run has ended, or goes on from what somebody else has recorded: then there is
// nothing more to do here.
func (op *operation) mustSave() bool {
	err := op.save(nil)
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrConflict):
		op.adopt()
	default:
		op.fail(err)
	}
	return false
}

// maySave is save of what has happened already, and would be found out again. It
// returns false as mustSave does.
func (op *operation) maySave() bool {
	err := op.save(nil)
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrConflict):
		op.adopt()
		return false
	}
	op.reg.log.Error("duvotool: writing to the journal", "operation", op.key, "job", op.job.id, "error", SafeLine(err.Error(), 500))
	return true
}

// recordName returns the key of the operation's record.
func (op *operation) recordName() string {
	return op.reg.ledger.names(opRecord, op.caller.Tenant, op.key)[0]
}

// handleOf returns the handle of an operation that is in a journal: it leads
// back to the record.
func handleOf(recordKey string) string { return "job-" + strings.TrimPrefix(recordKey, opRecord) }

func recordOf(handle string) string { return opRecord + strings.TrimPrefix(handle, "job-") }
