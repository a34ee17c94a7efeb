package duvo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/safetext"
)

// Teams lists the teams that the key can act on.
func (c *Client) Teams(ctx context.Context) ([]Team, error) {
	body, err := c.do(ctx, call{op: "listMyTeams", method: http.MethodGet, path: "/v2/teams"})
	if err != nil {
		return nil, err
	}
	teams, _, err := decodeList[Team](body, "teams")
	if err != nil {
		return nil, badBody("listMyTeams", err, false)
	}
	return teams, nil
}

// Team returns the ID of the team that the client acts on. Where none was
// given it is asked for, once, and must be the only one.
func (c *Client) Team(ctx context.Context) (string, error) {
	select {
	case <-c.team.turn:
	case <-ctx.Done():
		return "", noEffect(errtext.Errorf("duvo: looking up the team: %w", ended(ctx)))
	}
	defer func() { c.team.turn <- struct{}{} }()
	if c.team.id != "" {
		return c.team.id, nil
	}
	teams, err := c.Teams(ctx)
	if err != nil {
		return "", errtext.Errorf("duvo: looking up the team: %w", err)
	}
	switch len(teams) {
	case 0:
		return "", &noTeamError{"the key belongs to no team; make one in Duvo, or check " + EnvAPIKey}
	case 1:
		if checkID("team", teams[0].ID) != nil {
			return "", badBody("listMyTeams", errors.New("the team's ID is none"), false)
		}
		c.team.id = teams[0].ID
		return c.team.id, nil
	}
	var names []string
	for i, t := range teams {
		if i == 10 {
			names = append(names, "…")
			break
		}
		names = append(names, fmt.Sprintf("%s (%s)", safetext.OneLine(t.Name, 60), safetext.OneLine(t.ID, 60)))
	}
	return "", &noTeamError{"the key can act on several teams, choose one with " + EnvTeamID + " or WithTeam: " + c.redactor("")(strings.Join(names, ", "))}
}

// noTeamError is a request that was never sent, for want of a team.
type noTeamError struct{ why string }

func (e *noTeamError) Error() string { return "duvo: " + e.why }

func (e *noTeamError) Unwrap() error { return ErrInvalid }

func (e *noTeamError) NoEffect() bool { return true }

func (c *Client) teamPath(ctx context.Context, rest string) (string, error) {
	id, err := c.Team(ctx)
	if err != nil {
		return "", err
	}
	return "/v2/teams/" + id + rest, nil
}
