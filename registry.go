package duvotool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/safelog"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/search"
	"github.com/tmc/langchaingo/tools"
)

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
	life    *lifetime.Lifetime
	eng     *engine.Engine

	refusals tally // of webhooks, by their reasons

	turn    chan struct{}   // holds one: who takes it may refresh
	closing context.Context // ends when Close begins
	listed  chan struct{}   // closed by the first discovery
	close   func()

	book *hitl.NameBook // what Names of this registry look up

	mu      sync.RWMutex
	catalog catalog
}

// A catalog is what one discovery found. It is never changed.
type catalog struct {
	tools    []*Tool          // kept ones, by name
	byID     map[string]*Tool // kept ones, by ID in lower case
	collided []string
	meant    meanings         // of the names of these tools and of all that were offered before
	said     meanings         // the same of the Assignments' own names, which models read too
	accepted map[string]*Tool // as WithAcceptance last accepted them; nil without it
	held     []duvo.Assignment
	known    []duvo.Assignment // all Assignments, kept or not
	tree     folderTree        // nil: not known
	bound    bound
	unmet    []unmet
	missing  []string             // what nothing has, of the names in options and policies
	lasting  []string             // selectors that hold for what they matched before
	index    func() *search.Index // of tools, made when it is first needed
}

// Discover lists the Assignments of the backend and makes a tool of each. The
// context bounds the discovery only.
//
// What the options and the policies name must be there: an ID, a name, a pattern
// or a folder that nothing in Duvo has is an error that holds a [*hitl.NoMatchError]
// and tells what may have been meant. A misspelt guard would else guard nothing,
// and a misspelt rule never match. [Selector.Optional], [hitl.Rule.Optional] and their
// like allow it.
//
// An empty catalog is no error where nothing is named: Tools is then empty, and a
// warning is logged. With [DiscoverLater] neither is a Duvo that cannot be reached.
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
			return nil, errtext.Errorf("duvotool: %w", err)
		}
	}
	if err := cfg.fits(b); err != nil {
		return nil, errtext.Errorf("duvotool: %w", err)
	}
	cfg.OffersCheck = cfg.offersCheckTool()
	r := &Registry{backend: b, cfg: cfg, log: safelog.New(cfg.logger), life: lifetime.NewLifetime(), turn: make(chan struct{}, 1), listed: make(chan struct{}), book: &hitl.NameBook{}}
	r.turn <- struct{}{}
	r.closing, r.close = context.WithCancel(context.Background())
	r.eng = engine.New(b, cfg.Config, r.log, r.life, r.tellEvent(), offers{r})
	if err := r.firstCatalog(ctx); err != nil {
		r.close()
		r.book.Close()
		return nil, err
	}
	if ctx.Err() != nil { // and it is allowed to discover later
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), laterTakeUp)
		defer cancel()
		ctx = late
	}
	if err := r.eng.TakeUp(ctx); err != nil {
		_ = r.Close(ctx)
		return nil, err
	}
	r.refreshAlways()
	return r, nil
}

// fits refuses options that the backend has no ability for.
func (c config) fits(b Backend) error {
	if c.webhookHeader != "" && len(c.webhookKeys) == 0 {
		return errors.New("WithWebhookSignature: there is no secret; give WithWebhook too")
	}
	selectors := slices.Clone(c.keep)
	stops, tells, goesOn := len(c.tool.StopOn) > 0, c.tool.TellReason, c.offersContinue()
	for _, conf := range c.configure {
		selectors = append(selectors, conf.selector)
		var t toolConfig
		for _, o := range conf.options {
			_ = o.applyTool(&t) // checked by Configure
		}
		stops, tells = stops || len(t.StopOn) > 0, tells || t.TellReason
	}
	if _, ok := b.(FolderLister); !ok && slices.ContainsFunc(selectors, func(s Selector) bool { return s.folders }) {
		return fmt.Errorf("InFolder: the backend %T cannot list folders", b)
	}
	if _, ok := b.(JobMessenger); !ok && tells {
		return fmt.Errorf("TellReason: the backend %T cannot post messages", b)
	}
	if _, ok := b.(JobMessenger); !ok && c.someTool(func(t toolConfig) bool { return t.Correct }) {
		return fmt.Errorf("CorrectOnce: the backend %T cannot post messages", b)
	}
	if _, ok := b.(JobMessenger); !ok && goesOn {
		return fmt.Errorf("WithFollowUps: the backend %T cannot post messages", b)
	}
	if c.someTool(func(t toolConfig) bool { return t.Marked }) {
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

// discover reads the catalog. What the backend does besides returning is an error.
func (r *Registry) discover(ctx context.Context) (cat catalog, err error) {
	err = guard.Run(errDiscoverPanic, func() (err error) {
		defer r.life.In("the backend or the function of WithAcceptance")()
		cat, err = r.readCatalog(ctx)
		return err
	})
	if err != nil {
		return catalog{}, err
	}
	return cat, nil
}

var errDiscoverPanic = errors.New("duvotool: discovering Assignments: panic")

func (r *Registry) readCatalog(ctx context.Context) (catalog, error) {
	var all []duvo.Assignment
	seen := map[string]bool{}
	size := 0
	for a, err := range r.backend.Assignments(ctx) {
		if err != nil {
			return catalog{}, errtext.Errorf("duvotool: discovering Assignments: %w", err)
		}
		if a.ID == "" {
			return catalog{}, errors.New("duvotool: discovering Assignments: one has no ID")
		}
		if seen[strings.ToLower(a.ID)] {
			continue
		}
		seen[strings.ToLower(a.ID)] = true
		if all = append(all, clone.Assignment(a)); len(all) > r.cfg.maxCatalog {
			return catalog{}, errtext.Errorf("duvotool: discovering Assignments: more than %d", r.cfg.maxCatalog)
		}
		if size += assignmentSize(a); size > maxCatalogBytes {
			return catalog{}, errtext.Errorf("duvotool: discovering Assignments: the first %d have more than %d bytes of text", len(all), maxCatalogBytes)
		}
	}
	var tree folderTree
	if fl, ok := r.backend.(FolderLister); ok {
		folders, err := fl.Folders(ctx)
		switch {
		case err == nil:
			tree = newFolderTree(folders)
		case r.cfg.needFolders() || r.book.NeedsFolders() || ctx.Err() != nil:
			return catalog{}, errtext.Errorf("duvotool: discovering folders: %w", err)
		default:
			r.log.WarnContext(ctx, "duvotool: the folders cannot be listed; requests will not tell them", "error", safetext.OneLine(err.Error(), 500))
		}
	}
	r.mu.RLock()
	before := r.catalog
	r.mu.RUnlock()
	names, collided := toolNames(all, r.cfg.maxName, r.cfg.taken(before.meant))
	cat := catalog{byID: map[string]*Tool{}, collided: collided}
	cat.tree, cat.bound = tree, r.cfg.bind(before.bound, all, tree)
	cat.unmet = r.cfg.unmet(all, tree, cat.bound)
	for _, a := range all {
		cat.known = append(cat.known, duvo.Assignment{ID: a.ID, Name: a.Name})
		if !r.cfg.keeps(a, tree) {
			continue
		}
		t, err := r.newTool(a, names[a.ID], tree, cat.bound)
		if err != nil {
			return catalog{}, err
		}
		if !cat.accept(r.cfg, before, t) {
			r.log.WarnContext(ctx, "duvotool: an Assignment is held back until it is accepted", "assignment", safetext.OneLine(a.Name, 80), "id", a.ID)
			continue
		}
		cat.tools = append(cat.tools, t)
		cat.byID[strings.ToLower(a.ID)] = t
		if t.undescribed {
			r.log.WarnContext(ctx, "duvotool: an Assignment has no description; describe its latest Build in Duvo, so that a model can choose it",
				"assignment", safetext.OneLine(a.Name, 80), "id", a.ID)
		}
	}
	slices.SortFunc(cat.tools, func(a, b *Tool) int { return strings.Compare(a.work.Name, b.work.Name) })
	cat.meant = before.meant.and(cat.tools, 2*r.cfg.maxCatalog)
	cat.said = before.said.andSaid(cat.tools, 2*r.cfg.maxCatalog)
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
	if r.cfg.OffersCheck {
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
	return append([]*Tool{}, r.catalog.tools...) // [] in JSON, not null
}

// Tool is [Registry.FindTool] for a name that should be there: the error of one
// that is not is a [*NoMatchError], which matches [ErrNoTool] and tells what may
// have been meant.
func (r *Registry) Tool(name string) (*Tool, error) {
	if t, ok := r.FindTool(name); ok {
		return t, nil
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return nil, r.catalog.noTool(name)
}

// FindTool returns the tool with this name, without regard to case; or else the
// one of the Assignment with this ID, or, where it is the only one, with this
// exact name. It returns nil and false if there is none.
func (r *Registry) FindTool(name string) (*Tool, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, t := range r.catalog.tools {
		if strings.EqualFold(t.work.Name, name) {
			return t, true
		}
	}
	if t := r.catalog.byID[strings.ToLower(name)]; t != nil {
		return t, true
	}
	var found *Tool
	for _, t := range r.catalog.tools {
		if t.work.Assignment.Name == name {
			if found != nil {
				return nil, false
			}
			found = t
		}
	}
	return found, found != nil
}

// offered reports whether the Assignment is still in the catalog.
func (r *Registry) offered(id string) bool { return r.kept(id) != nil }

// kept returns the tool that the catalog has for an Assignment now.
func (r *Registry) kept(id string) *Tool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.catalog.byID[strings.ToLower(id)]
}

// Close ends the registry. From the moment it is called no Job is started and no
// follow-up posted, and new calls are refused with [outcome.ErrClosed]. Calls in
// flight return a [*outcome.JobError] that wraps ErrClosed, once what they had begun
// to send has ended; their Jobs go on in Duvo, and a registry with the same journal
// takes them up. Close returns when nothing of the registry runs any more and the
// observer has been told everything, or else, when ctx ends, an error that names
// what is missing. It may be called more than once, then waiting again.
//
//   - Calls that wait for their turn, see [WithJobLimit], and starts that are
//     announced in the journal and not sent, are not sent; those calls end at once.
//     So does a start in doubt: whoever takes it up goes on with it.
//   - With [DrainOnClose] the Jobs that were started have time to end. They are
//     read, answered, corrected and collected as ever, and webhooks are taken; see
//     there for what is not waited for. After that, and without the option at once,
//     nothing is sent any more, no response and no stop either, and webhooks are
//     answered 503.
//   - A slow journal or audit log is waited for until ctx ends, and named by the
//     error then. What it is being told counts as soon as it holds it; nothing is
//     sent for it after Close.
//   - Policies find their contexts cancelled with ErrClosed. Those that ignore it are
//     waited for until ctx ends, and named by the error; what they return decides
//     nothing.
//   - Events that a slow observer has not been told when ctx ends are counted by the
//     error and the log. It is told them all the same as long as the process lives.
//   - Called by a policy, an observer, a journal, an audit log or the function of
//     [WithAcceptance], in the goroutine that the registry has called it in, Close
//     would wait for itself: it then waits for nothing, draining neither, and
//     returns an error that names who called it. The registry is closed all the same;
//     call it once more from elsewhere to wait.
//   - [Registry.Decide] is refused with ErrClosed.
func (r *Registry) Close(ctx context.Context) error {
	r.life.Close()
	r.close()
	r.book.Close()
	r.eng.Drain()
	if err := r.eng.Within("Close", true); err != nil {
		r.eng.Interrupt()
		return err
	}
	if r.cfg.drain > 0 {
		patience, cancel := context.WithTimeout(ctx, r.cfg.drain)
		_ = r.eng.Wait(patience)
		cancel()
	}
	r.eng.Interrupt()
	return r.eng.Close(ctx)
}
