package slack

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	api "github.com/slack-go/slack"
)

const (
	callFor  = 10 * time.Second // of one call to Slack
	maxPause = 15 * time.Minute // however long Slack asks for
)

// A caller calls Slack, and leaves it alone for as long as it asks for.
type caller struct {
	mu    sync.Mutex
	until time.Time
	times int
}

// paused reports whether Slack is left alone now.
func (c *caller) paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.until)
}

// do calls Slack once.
func (c *caller) do(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	err := f(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	var limited *api.RateLimitedError
	var refused api.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		c.until = time.Now().Add(min(max(limited.RetryAfter, time.Second), maxPause))
	case err == nil, errors.As(err, &refused) && !troubled(refused.Err):
		c.times = 0
	default: // Slack is not there
		c.until = time.Now().Add(min(time.Second<<min(c.times, 10), time.Minute))
		c.times++
	}
	return err
}

// troubled reports whether an answer of Slack's is about Slack itself: what was asked
// for may have been done.
func troubled(code string) bool {
	return slices.Contains([]string{"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited", "rate_limited"}, code)
}

// surelyNot reports whether a call that failed has done nothing for certain.
func surelyNot(err error) bool {
	var limited *api.RateLimitedError
	var refused api.SlackErrorResponse
	return errors.As(err, &limited) || errors.As(err, &refused) && !troubled(refused.Err)
}

// isSlack reports whether an error is one of these answers of Slack's.
func isSlack(err error, codes ...string) bool {
	var refused api.SlackErrorResponse
	return errors.As(err, &refused) && slices.Contains(codes, refused.Err)
}

// channel returns the channel in which somebody is reached.
func (s *syncer) channel(ctx context.Context, to string) (string, error) {
	to, _ = place(to)
	if !strings.HasPrefix(to, "U") && !strings.HasPrefix(to, "W") {
		return to, nil
	}
	if s.person[to] != "" {
		return s.person[to], nil
	}
	err := s.calls.do(ctx, func(ctx context.Context) error {
		c, _, _, err := s.app.cfg.Client.OpenConversationContext(ctx, &api.OpenConversationParameters{Users: []string{to}})
		if err == nil {
			s.person[to] = c.ID
		}
		return err
	})
	return s.person[to], err
}

// self returns the app's own ID as a bot.
func (s *syncer) self(ctx context.Context) (string, error) {
	if s.bot != "" {
		return s.bot, nil
	}
	err := s.calls.do(ctx, func(ctx context.Context) error {
		r, err := s.app.cfg.Client.AuthTestContext(ctx)
		if err == nil {
			if s.bot = r.BotID; s.bot == "" {
				err = errors.New("the token is not a bot's")
			}
		}
		return err
	})
	return s.bot, err
}

const (
	historyPage  = 200
	historyPages = 20
)

// find looks for the message of a post that may have been sent; empty: it is not
// there.
func (s *syncer) find(ctx context.Context, channel string, p *Post) (ts string, err error) {
	if _, thread := place(p.To); thread != "" {
		return s.findReply(ctx, channel, thread, metaRequest, p)
	}
	params := api.GetConversationHistoryParameters{ChannelID: channel, Limit: historyPage, IncludeAllMetadata: true}
	if at := p.Request.FirstSeen; !at.IsZero() {
		params.Oldest = strconv.FormatInt(at.Add(-10*time.Minute).Unix(), 10)
	}
	bot, err := s.self(ctx)
	for n := 0; err == nil && n < historyPages; n++ {
		var h *api.GetConversationHistoryResponse
		err = s.calls.do(ctx, func(ctx context.Context) (err error) {
			h, err = s.app.cfg.Client.GetConversationHistoryContext(ctx, &params)
			return err
		})
		if err != nil {
			break
		}
		for _, m := range h.Messages {
			if m.BotID == bot && marked(m, metaRequest, p.ID) {
				return m.Timestamp, nil
			}
		}
		if params.Cursor = h.ResponseMetaData.NextCursor; !h.HasMore || params.Cursor == "" {
			return "", nil
		}
	}
	return "", s.withoutHistory(p, err)
}

// findReply looks in a thread for what was sent there about a post; empty: it is not
// there.
func (s *syncer) findReply(ctx context.Context, channel, thread, kind string, p *Post) (ts string, err error) {
	bot, err := s.self(ctx)
	if err != nil {
		return "", err
	}
	params := api.GetConversationRepliesParameters{ChannelID: channel, Timestamp: thread, Limit: historyPage, IncludeAllMetadata: true}
	for range historyPages {
		var replies []api.Message
		more := false
		err = s.calls.do(ctx, func(ctx context.Context) (err error) {
			replies, more, params.Cursor, err = s.app.cfg.Client.GetConversationRepliesContext(ctx, &params)
			return err
		})
		if err != nil {
			break
		}
		for _, m := range replies {
			if m.BotID == bot && marked(m, kind, p.ID) {
				return m.Timestamp, nil
			}
		}
		if !more || params.Cursor == "" {
			return "", nil
		}
	}
	return "", s.withoutHistory(p, err)
}

// withoutHistory lets a message be sent twice rather than not at all, where the app
// may not read what it has sent. A doubled message decides nothing.
func (s *syncer) withoutHistory(p *Post, err error) error {
	if !isSlack(err, "missing_scope") {
		return err
	}
	s.app.log.Warn("slack: whether a message was sent before cannot be told, so it is sent, perhaps for the second time: the app needs the scopes channels:history, groups:history and im:history", "request", p.Request.ID, "job", p.Request.JobID)
	return nil
}

func marked(m api.Message, kind, id string) bool {
	return m.Metadata.EventType == kind && m.Metadata.EventPayload["id"] == id
}
