package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	api "github.com/slack-go/slack"
)

// People tells who a Slack user is for the host: the login under which decisions of
// that user are recorded, or [ErrNotListed]. Any other error is the host's failure,
// and is logged; either way nothing is decided. It must be safe for concurrent use.
type People func(ctx context.Context, userID string) (login string, err error)

// ErrNotListed is what [People] returns for a user who decides nothing.
var ErrNotListed = errors.New("slack: the user is not listed")

// Users lists the people by their Slack user IDs, such as "U012AB3CD". Names and
// e-mail addresses are not looked at: people can change them.
func Users(logins map[string]string) People {
	known := map[string]string{}
	for id, login := range logins {
		known[id] = login
	}
	return func(_ context.Context, id string) (string, error) {
		login, ok := known[id]
		if !ok {
			return "", ErrNotListed
		}
		return login, nil
	}
}

// groupsFor is how long what Slack told of a group counts.
const groupsFor = time.Minute

// InGroups lets only those of the people decide who are in one of these user groups
// of Slack, by their IDs, such as "S012AB3CD". What Slack tells of a group counts for a
// minute; while it cannot be asked after that, nobody of the group decides. It needs
// the scope usergroups:read. Whoever can change the groups in Slack can let people
// decide whom the people know.
func InGroups(client *api.Client, people People, groups ...string) People {
	g := &groupMembers{client: client, groups: slices.Clone(groups)}
	return func(ctx context.Context, id string) (string, error) {
		login, err := people(ctx, id)
		if err != nil {
			return "", err
		}
		in, err := g.has(ctx, id)
		switch {
		case err != nil:
			return "", fmt.Errorf("slack: who is in the groups is not known: %w", err)
		case !in:
			return "", ErrNotListed
		}
		return login, nil
	}
}

type groupMembers struct {
	client *api.Client
	groups []string

	mu      sync.Mutex
	read    time.Time
	members map[string]bool
}

func (g *groupMembers) has(ctx context.Context, id string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members == nil || time.Since(g.read) > groupsFor {
		g.members = nil
		members := map[string]bool{}
		for _, group := range g.groups {
			ids, err := g.client.GetUserGroupMembersContext(ctx, group)
			if err != nil {
				return false, err
			}
			for _, m := range ids {
				members[m] = true
			}
		}
		g.members, g.read = members, time.Now()
	}
	return g.members[id], nil
}

// who tells who a user is; empty where they decide nothing, with why.
func (a *App) who(ctx context.Context, c *api.InteractionCallback) (login, why string) {
	if foreign := c.User.TeamID; foreign != "" && foreign != c.Team.ID && !slices.Contains(a.cfg.Teams, foreign) {
		return "", words["foreign"]
	}
	err := guard.Run(errPanic, func() (err error) { login, err = a.cfg.People(ctx, c.User.ID); return err })
	switch {
	case errors.Is(err, ErrNotListed):
		return "", words["notListed"]
	case err == nil && hitl.PersonKey(login) == "":
		err = errors.New("Config.People told an empty login")
	}
	if err != nil {
		a.log.Error("slack: who has clicked could not be told; nothing was decided", "user", hitl.SafeLine(c.User.ID, 40), "error", hitl.SafeLine(err.Error(), 500))
		return "", words["unknownPerson"]
	}
	return login, ""
}

// may tells whether a person may decide a request.
func (a *App) may(ctx context.Context, login string, r hitl.Request) (may bool) {
	if a.cfg.May == nil {
		return true
	}
	err := guard.Run(errPanic, func() error { may = a.cfg.May(ctx, login, r.Clone()); return nil })
	if err != nil {
		a.log.Error("slack: Config.May", "error", hitl.SafeLine(err.Error(), 500))
		return false
	}
	return may
}
