package duvotool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/search"
	"github.com/tmc/langchaingo/tools"
)

// A Backend is what a registry needs of Duvo. [*duvo.Client] is one.
//
// StartJob and Respond are called with a context made by [duvo.WithoutResend]:
// they send their request once, return an error for which
// [duvo.MayHaveTakenEffect] tells whether that may have done something, and
// leave it to the registry to send again. All methods may be called at once.
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
	// PostMessage posts a message, which resumes a Job that has completed.
	PostMessage(ctx context.Context, jobID, text, idempotencyKey string) (duvo.Message, error)
}

var (
	_ Backend      = (*duvo.Client)(nil)
	_ JobMessenger = (*duvo.Client)(nil)
	_ FolderLister = (*duvo.Client)(nil)
	_ JobStopper   = (*duvo.Client)(nil)
)

// A Registry offers a team's Assignments as tools, and owns the Jobs that are
// started through them. It is safe for concurrent use. Make it with [Discover]
// and end it with [Registry.Close].
type Registry struct {
	backend Backend
	cfg     config
	log     *slog.Logger
	life    *lifetime
	watcher *watcher
	events  *eventQueue
	ops     *operations
	queue   *queue
	ledger  *ledger // nil: there is no journal

	tokens     pairs  // the Jobs that webhooks with which tokens were about
	boxes      pairs  // the sandboxes of Jobs that were read to find one
	deliveries recent // of webhooks, by their IDs
	early      recent // Jobs that a webhook told of before their start returned

	refresh     sync.Mutex // held by one Refresh at a time
	stopRefresh func()     // ends the refreshing in the background

	mu      sync.RWMutex
	catalog catalog
}

// A catalog is what one discovery found. It is never changed.
type catalog struct {
	tools    []*Tool          // kept ones, by name
	byID     map[string]*Tool // kept ones
	collided []string
	meant    meanings         // of the names of these tools and of all that were offered before
	accepted map[string]*Tool // as WithAcceptance last accepted them; nil without it
	held     []duvo.Assignment
	index    func() *search.Index // of tools, made when it is first needed
}

// Discover lists the Assignments of the backend and makes a tool of each. The
// context bounds the discovery only.
//
// An empty catalog is no error: Tools is then empty, and a warning is logged.
func Discover(ctx context.Context, b Backend, opts ...Option) (*Registry, error) {
	if b == nil {
		return nil, errors.New("duvotool: the backend is nil")
	}
	cfg := defaultConfig()
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("duvotool: a nil option")
		}
		if err := o.apply(&cfg); err != nil {
			return nil, fmt.Errorf("duvotool: %w", err)
		}
	}
	if err := cfg.fits(b); err != nil {
		return nil, fmt.Errorf("duvotool: %w", err)
	}
	r := &Registry{backend: b, cfg: cfg, log: cfg.logger, life: newLifetime(), stopRefresh: func() {}, boxes: pairs{max: locateKept}}
	cat, err := r.discover(ctx)
	if err != nil {
		return nil, err
	}
	r.catalog = cat
	r.watcher = newWatcher(b, r.life, r.log, cfg.pollEvery, cfg.trustLists)
	r.events = newEventQueue(r.tellEvent(), r.log)
	r.queue = newQueue(cfg.jobLimit)
	r.ledger = newLedger(cfg, r.life)
	r.ops = newOperations(r)
	if len(cat.tools) == 0 {
		r.log.WarnContext(ctx, "duvotool: no Assignments found", "kept by", fmt.Sprint(cfg.keep))
	}
	if err := r.takeUp(ctx); err != nil {
		_ = r.Close(ctx)
		return nil, err
	}
	r.refreshAlways()
	return r, nil
}

// fits refuses options that the backend has no ability for.
func (c config) fits(b Backend) error {
	selectors := slices.Clone(c.keep)
	stops, tells, goesOn := len(c.tool.stopOn) > 0, c.tool.tellReason, c.offersContinue()
	for _, conf := range c.configure {
		selectors = append(selectors, conf.selector)
		var t toolConfig
		for _, o := range conf.options {
			_ = o.applyTool(&t) // checked by Configure
		}
		stops, tells = stops || len(t.stopOn) > 0, tells || t.tellReason
	}
	if _, ok := b.(FolderLister); !ok && slices.ContainsFunc(selectors, func(s Selector) bool { return s.folders }) {
		return fmt.Errorf("InFolder: the backend %T cannot list folders", b)
	}
	if _, ok := b.(JobMessenger); !ok && tells {
		return fmt.Errorf("TellReason: the backend %T cannot post messages", b)
	}
	if _, ok := b.(JobMessenger); !ok && c.someTool(func(t toolConfig) bool { return t.correct }) {
		return fmt.Errorf("CorrectOnce: the backend %T cannot post messages", b)
	}
	if _, ok := b.(JobMessenger); !ok && goesOn {
		return fmt.Errorf("WithFollowUps: the backend %T cannot post messages", b)
	}
	if c.someTool(func(t toolConfig) bool { return t.marked }) {
		_, makes := b.(SandboxMaker)
		if _, lists := b.(JobLister); !makes || !lists {
			return fmt.Errorf("WithMarkedStarts: the backend %T cannot make sandboxes and list Jobs", b)
		}
	}
	if _, ok := b.(JobStopper); !ok && stops {
		return fmt.Errorf("StopOn: the backend %T cannot stop Jobs", b)
	}
	return nil
}

func (r *Registry) discover(ctx context.Context) (catalog, error) {
	var all []duvo.Assignment
	seen := map[string]bool{}
	for a, err := range r.backend.Assignments(ctx) {
		if err != nil {
			return catalog{}, fmt.Errorf("duvotool: discovering Assignments: %w", err)
		}
		if a.ID == "" {
			return catalog{}, errors.New("duvotool: discovering Assignments: one has no ID")
		}
		if seen[a.ID] {
			continue
		}
		seen[a.ID] = true
		if all = append(all, a); len(all) > r.cfg.maxCatalog {
			return catalog{}, fmt.Errorf("duvotool: discovering Assignments: more than %d", r.cfg.maxCatalog)
		}
	}
	var tree folderTree
	if fl, ok := r.backend.(FolderLister); ok {
		folders, err := fl.Folders(ctx)
		switch {
		case err == nil:
			tree = newFolderTree(folders)
		case r.cfg.needFolders() || ctx.Err() != nil:
			return catalog{}, fmt.Errorf("duvotool: discovering folders: %w", err)
		default:
			r.log.WarnContext(ctx, "duvotool: the folders cannot be listed; requests will not tell them", "error", safetext.OneLine(err.Error(), 500))
		}
	}
	r.mu.RLock()
	before := r.catalog
	r.mu.RUnlock()
	names, collided := toolNames(all, r.cfg.taken(before.meant))
	cat := catalog{byID: map[string]*Tool{}, collided: collided}
	for _, a := range all {
		if !r.cfg.keeps(a, tree) {
			continue
		}
		t, err := r.newTool(a, names[a.ID], tree)
		if err != nil {
			return catalog{}, err
		}
		if !cat.accept(r.cfg, before, t) {
			r.log.WarnContext(ctx, "duvotool: an Assignment is held back until it is accepted", "assignment", safetext.OneLine(a.Name, 80), "id", a.ID)
			continue
		}
		cat.tools = append(cat.tools, t)
		cat.byID[a.ID] = t
		if t.undescribed {
			r.log.WarnContext(ctx, "duvotool: an Assignment has no description; describe its latest Build in Duvo, so that a model can choose it",
				"assignment", safetext.OneLine(a.Name, 80), "id", a.ID)
		}
	}
	slices.SortFunc(cat.tools, func(a, b *Tool) int { return strings.Compare(a.name, b.name) })
	cat.meant = before.meant.and(cat.tools, 2*r.cfg.maxCatalog)
	cat.index = sync.OnceValue(func() *search.Index { return newIndex(cat.tools) })
	return cat, nil
}

func (c config) needFolders() bool {
	need := slices.ContainsFunc(c.keep, func(s Selector) bool { return s.folders })
	return need || slices.ContainsFunc(c.configure, func(x configured) bool { return x.selector.folders })
}

func (c config) keeps(a duvo.Assignment, tree folderTree) bool {
	return len(c.keep) == 0 || slices.ContainsFunc(c.keep, func(s Selector) bool { return s.match(a, tree) })
}

// Tools returns the tools, ordered by name, for langchaingo; last, where options
// ask for them, those of [Registry.CheckTool] and [Registry.ContinueTool]. The
// slice is the caller's.
func (r *Registry) Tools() []tools.Tool {
	own := r.All()
	out := make([]tools.Tool, len(own), len(own)+1)
	for i, t := range own {
		out[i] = t
	}
	if r.cfg.offersCheck() {
		out = append(out, r.CheckTool())
	}
	if r.cfg.offersContinue() {
		out = append(out, r.ContinueTool())
	}
	return out
}

// All returns the tools, ordered by name. The slice is the caller's.
func (r *Registry) All() []*Tool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.catalog.tools)
}

// Tool returns the tool with this name, without regard to case; or else the
// one of the Assignment with this ID, or, where it is the only one, with this
// exact name. It returns nil if there is none.
func (r *Registry) Tool(name string) *Tool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, t := range r.catalog.tools {
		if strings.EqualFold(t.name, name) {
			return t
		}
	}
	if t := r.catalog.byID[name]; t != nil {
		return t
	}
	var found *Tool
	for _, t := range r.catalog.tools {
		if t.assignment.Name == name {
			if found != nil {
				return nil
			}
			found = t
		}
	}
	return found
}

// Changes is what a [Registry.Refresh] found, among the kept Assignments.
type Changes struct {
	Added    []duvo.Assignment
	Removed  []duvo.Assignment
	Changed  []Change
	Collided []string          // tool names that carry a suffix since this refresh, because others are alike, stood for another Assignment before, or are reserved
	Held     []duvo.Assignment // all that WithAcceptance holds back now
}

// A Change is an Assignment that reads differently now.
type Change struct {
	Before, After         duvo.Assignment
	NameBefore, NameAfter string // of the tool
}

// Empty reports whether nothing changed in what is offered.
func (c Changes) Empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Collided) == 0
}

// Refresh lists the Assignments again, and tells the observer what changed.
// Tools handed out before keep their names and options, and their
// [Tool.Description] is the new one: an agent that reads it at each turn needs
// no restart. One whose Assignment is gone answers the model that it is. A name
// that has stood for one Assignment is no other's for as long as the registry
// lives: where two swap their names in Duvo, their tools get suffixes. On an
// error everything stays as it was. See [WithRefreshEvery].
func (r *Registry) Refresh(ctx context.Context) (Changes, error) {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	if !r.life.enter() {
		return Changes{}, ErrClosed
	}
	defer r.life.leave()
	now, err := r.discover(ctx)
	if err != nil {
		return Changes{}, err
	}
	r.mu.Lock()
	before := r.catalog
	r.catalog = now
	r.mu.Unlock()

	var c Changes
	for _, t := range now.tools {
		old, ok := before.byID[t.assignment.ID]
		switch {
		case !ok:
			c.Added = append(c.Added, t.assignment)
		case old.name != t.name || old.description != t.description || !sameAssignment(old.assignment, t.assignment):
			c.Changed = append(c.Changed, Change{old.assignment, t.assignment, old.name, t.name})
		}
	}
	for _, t := range before.tools {
		if now.byID[t.assignment.ID] == nil {
			c.Removed = append(c.Removed, t.assignment)
		}
	}
	for _, n := range now.collided {
		if !slices.Contains(before.collided, n) {
			c.Collided = append(c.Collided, n)
		}
	}
	c.Held = now.held
	r.tellChanges(ctx, c)
	return c, nil
}

func sameAssignment(a, b duvo.Assignment) bool {
	build := func(a duvo.Assignment) duvo.Build {
		if a.LatestBuild == nil {
			return duvo.Build{}
		}
		return *a.LatestBuild
	}
	x, y := build(a), build(b)
	return a.Name == b.Name && a.FolderID == b.FolderID && x.ID == y.ID && x.Description == y.Description
}

// offered reports whether the Assignment is still in the catalog.
func (r *Registry) offered(id string) bool { return r.kept(id) != nil }

// kept returns the tool that the catalog has for an Assignment now.
func (r *Registry) kept(id string) *Tool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.catalog.byID[id]
}

// Close ends the registry. New calls are refused with [ErrClosed]. Calls in
// flight return a [*JobError] that wraps ErrClosed, once what they had begun to
// send has ended; their Jobs go on in Duvo, and a registry with the same journal
// takes them up. With [DrainOnClose] it first gives them time to end. Close
// returns when nothing of the
// registry runs any more and the observer has been told everything, or else,
// when ctx ends, an error that names the callbacks which ignored their
// context. It may be called more than once.
func (r *Registry) Close(ctx context.Context) error {
	r.life.close()
	r.stopRefresh()
	if r.cfg.drain > 0 {
		patience, cancel := context.WithTimeout(ctx, r.cfg.drain)
		_ = r.Wait(patience)
		cancel()
	}
	r.ops.each(func(op *operation) { op.interrupt(ErrClosed) })
	if err := r.life.wait(ctx); err != nil {
		return err
	}
	return r.events.close(ctx)
}

// name the callbacks that run, with how many of each.
func listCallbacks(m map[string]int) string {
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", n, m[n]))
	}
	return strings.Join(parts, ", ")
}
