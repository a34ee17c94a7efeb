package slack

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	api "github.com/slack-go/slack"
)

const (
	lookEvery  = time.Second      // or as soon as something has happened
	tellsFor   = 3 * time.Second  // before a policy that is asked no more settles a message without a name
	goneFor    = 10 * time.Second // before what nobody tells of counts as gone
	outcomeFor = 24 * time.Hour   // how long an outcome is waited for that nobody can be asked about
)

// A syncer makes what stands in Slack what the registries tell. It looks at all of it
// again and again, so that nothing hangs on having seen a change.
type syncer struct {
	app    *App
	began  time.Time
	loaded bool
	calls  caller
	due    map[string]*delay    // of posts that could not be gone on with
	since  map[string]time.Time // when a post was found to wait no more
	posted map[string]bool      // what is posted nowhere
	person map[string]string    // the channels of people
	bot    string               // the app's own ID as a bot
}

// A delay is how long a post is left alone after a failure.
type delay struct {
	until time.Time
	times int
	said  string // what was logged
}

func (s *syncer) run(ctx context.Context) {
	s.began = time.Now()
	s.due, s.since, s.posted, s.person = map[string]*delay{}, map[string]time.Time{}, map[string]bool{}, map[string]string{}
	for ctx.Err() == nil {
		s.look(ctx)
		timer := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
		case <-s.app.wakes:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// look goes on with every post as far as that is possible now.
func (s *syncer) look(ctx context.Context) {
	if !s.load(ctx) {
		return
	}
	waiting := s.waiting()
	for _, r := range waiting {
		s.announce(r)
	}
	for _, p := range s.all() {
		if ctx.Err() != nil || s.calls.paused() {
			return
		}
		if d := s.due[p.ID]; d != nil && time.Now().Before(d.until) {
			continue
		}
		_, waits := waiting[p.ID]
		for steps := 0; p != nil && steps < 5; steps++ { // a post goes through few stages
			next, err := s.advance(ctx, p, waits, waiting)
			if err != nil {
				s.failed(p, err)
				break
			}
			if delete(s.due, p.ID); next == p {
				break
			}
			p = next
		}
	}
}

// load reads what an earlier run has kept.
func (s *syncer) load(ctx context.Context) bool {
	if s.loaded {
		return true
	}
	kept, err := s.app.cfg.Store.All(ctx)
	if err != nil {
		s.failed(&Post{ID: "store"}, err)
		return false
	}
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	for _, p := range kept {
		s.app.posts[p.ID] = &p
	}
	s.loaded = true
	return true
}

// waiting are the requests that wait, by the IDs of their posts.
func (s *syncer) waiting() map[string]hitl.Request {
	out := map[string]hitl.Request{}
	for _, reg := range s.app.regs() {
		for _, r := range reg.Pending() {
			out[idOf(r)] = r
		}
	}
	return out
}

// regs are the registries, and what the app is asked as a policy.
func (a *App) regs() []Registry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.registries
}

// all are the posts, the oldest request first.
func (s *syncer) all() []*Post {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	var out []*Post
	for _, p := range s.app.posts {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Post) int {
		return cmp.Or(a.Request.FirstSeen.Compare(b.Request.FirstSeen), strings.Compare(a.ID, b.ID))
	})
	return out
}

// announce makes a post of a request that has none.
func (s *syncer) announce(r hitl.Request) {
	id := idOf(r)
	if s.posted[id] || s.app.post(id) != nil {
		return
	}
	p := &Post{ID: id, Request: r.Clone(), To: s.app.to(r), Stage: Posting}
	if p.To == "" {
		s.posted[id] = true
		return
	}
	_, none := s.app.cfg.Store.(forgetful)
	p.Sent = none && r.FirstSeen.Before(s.began) // by a run before this one
	s.set(p)
}

// to tells where a request is posted.
func (a *App) to(r hitl.Request) (to string) {
	err := guard.Run(errPanic, func() error { to = a.cfg.To(r.Clone()); return nil })
	if err != nil {
		a.log.Error("slack: Config.To", "error", hitl.SafeLine(err.Error(), 500))
		return ""
	}
	return to
}

func (s *syncer) set(p *Post) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	s.app.posts[p.ID] = p
}

// keep replaces a post. The error is the store's: then a restart may not know of it.
func (s *syncer) keep(ctx context.Context, p Post) (*Post, error) {
	s.set(&p)
	return &p, s.app.cfg.Store.Put(ctx, p)
}

// drop forgets a post.
func (s *syncer) drop(ctx context.Context, p *Post) (*Post, error) {
	if err := s.app.cfg.Store.Delete(ctx, p.ID); err != nil {
		return p, err
	}
	s.app.mu.Lock()
	delete(s.app.posts, p.ID)
	s.app.mu.Unlock()
	delete(s.since, p.ID)
	return nil, nil
}

// advance takes a post one step further, and returns it as it is then: nil where
// there is nothing more to do, p where it waits for something.
func (s *syncer) advance(ctx context.Context, p *Post, waits bool, waiting map[string]hitl.Request) (*Post, error) {
	if waits {
		delete(s.since, p.ID)
		if p.Stage != Posting && p.Stage != Open { // it waits after all
			again := *p
			again.Stage, again.Ending, again.Sent = Posting, "", false
			return s.keep(ctx, again)
		}
	} else if _, there := s.since[p.ID]; !there {
		s.since[p.ID] = time.Now()
	}
	switch p.Stage {
	case Posting:
		return s.ask(ctx, p, waits)
	case Open:
		if waits {
			return p, nil
		}
		return s.conclude(ctx, p, waiting)
	case Settling:
		return s.settle(ctx, p)
	case Settled:
		return s.await(ctx, p)
	case Telling:
		return s.tell(ctx, p)
	}
	return s.drop(ctx, p)
}

// ask sends the message, once.
func (s *syncer) ask(ctx context.Context, p *Post, waits bool) (*Post, error) {
	next := *p
	if p.TS != "" { // it is there, and was settled too soon
		err := s.calls.do(ctx, func(ctx context.Context) error {
			_, _, _, err := s.app.cfg.Client.UpdateMessageContext(ctx, p.Channel, p.TS, s.message(p)...)
			return err
		})
		if err != nil {
			return p, err
		}
		next.Stage = Open
		return s.keep(ctx, next)
	}
	if !waits && !p.Sent {
		return s.drop(ctx, p)
	}
	channel, err := s.channel(ctx, p.To)
	if err != nil {
		return p, err
	}
	if p.Sent {
		ts, err := s.find(ctx, channel, p)
		if err != nil {
			return p, err
		}
		if next.Sent = false; ts != "" {
			next.Stage, next.Channel, next.TS = Open, channel, ts
		}
		return s.keep(ctx, next)
	}
	next.Sent, next.Channel = true, channel
	announced, err := s.keep(ctx, next)
	if err != nil { // else a restart would send it once more
		return announced, err
	}
	message := s.message(announced)
	if _, thread := place(p.To); thread != "" {
		message = append(message, api.MsgOptionTS(thread))
	}
	err = s.calls.do(ctx, func(ctx context.Context) (err error) {
		next.Channel, next.TS, err = s.app.cfg.Client.PostMessageContext(ctx, channel, message...)
		return err
	})
	if err != nil {
		if surelyNot(err) {
			next.Sent, next.TS = false, ""
			announced, _ = s.keep(ctx, next)
		}
		return announced, err
	}
	next.Stage, next.Sent = Open, false
	return s.keep(ctx, next)
}

// message are the options of the message about a request that waits.
func (s *syncer) message(p *Post) []api.MsgOption {
	return s.options(summary(headline(p.Request), p.Request.Title), s.app.question(p.Request), metaRequest, p.ID)
}

const (
	metaRequest = "duvotool_request"
	metaOutcome = "duvotool_outcome"
)

// options are those of every message: nothing in it is interpreted or unfurled.
func (s *syncer) options(text string, blocks []api.Block, kind, id string) []api.MsgOption {
	return append(quiet(text, blocks),
		api.MsgOptionMetadata(api.SlackMetadata{EventType: kind, EventPayload: map[string]any{"id": id}}))
}

func quiet(text string, blocks []api.Block) []api.MsgOption {
	return []api.MsgOption{
		api.MsgOptionText(text, false), // it is escaped
		api.MsgOptionBlocks(blocks...),
		api.MsgOptionDisableLinkUnfurl(), api.MsgOptionDisableMediaUnfurl(), api.MsgOptionDisableMarkdown(),
		api.MsgOptionParse(false),
	}
}

// settle takes the buttons of the message away, and tells who has decided.
func (s *syncer) settle(ctx context.Context, p *Post) (*Post, error) {
	err := s.calls.do(ctx, func(ctx context.Context) error {
		_, _, _, err := s.app.cfg.Client.UpdateMessageContext(ctx, p.Channel, p.TS,
			s.options(summary(p.Ending, p.Request.Title), s.app.settledBlocks(p), metaRequest, p.ID)...)
		return err
	})
	if isSlack(err, "message_not_found", "channel_not_found", "is_archived", "cant_update_message") {
		s.app.log.Warn("slack: a message that was decided cannot be changed any more", "request", p.Request.ID, "job", p.Request.JobID, "error", err)
		return s.drop(ctx, p)
	}
	if err != nil {
		return p, err
	}
	next := *p
	next.Stage = Settled
	return s.keep(ctx, next)
}

// failed leaves a post alone for a while.
func (s *syncer) failed(p *Post, err error) {
	d := s.due[p.ID]
	if d == nil {
		d = &delay{}
		s.due[p.ID] = d
	}
	if !s.calls.paused() { // else it is not about this post
		d.until = time.Now().Add(min(time.Second<<min(d.times, 10), 5*time.Minute))
		d.times++
	}
	if text := hitl.SafeLine(err.Error(), 500); text != d.said {
		d.said = text
		s.app.log.Warn("slack: a message is late", "request", p.Request.ID, "job", p.Request.JobID, "stage", string(p.Stage), "error", text)
	}
}
