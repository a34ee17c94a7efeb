package duvotest_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestOptionsThatMakeNoSense(t *testing.T) {
	for name, o := range map[string]duvotest.Option{
		"key":            duvotest.WithKey(" "),
		"key's end":      duvotest.WithKey("dv_key\n"),
		"secret's end":   duvotest.WithWebhookSecret("a secret\n"),
		"secret's form":  duvotest.WithWebhookSecret("whsec_?"),
		"team":           duvotest.WithTeam("x", "X"),
		"teams":          duvotest.WithTeams(-1),
		"rate limit":     duvotest.WithRateLimit(-1),
		"forbidden":      duvotest.WithForbidden("getRun", "getNothing"),
		"pace":           duvotest.WithPace(-1),
		"secret":         duvotest.WithWebhookSecret(""),
		"headers":        duvotest.WithWebhookHeaders(duvotest.WebhookHeaders{ID: "a", Timestamp: "b"}),
		"webhook client": duvotest.WithWebhookClient(nil),
		"history":        duvotest.WithHistory(-1),
		"folder":         duvotest.WithAssignment(duvotest.Assignment{Name: "X", Folder: "a//b"}),
		"deep folder":    duvotest.WithAssignment(duvotest.Assignment{Name: "X", Folder: strings.Repeat("a/", 16) + "a"}),
		"log":            duvotest.WithLog(nil),
		"scenario":       duvotest.WithScenario(nil),
		"no name":        duvotest.WithAssignment(duvotest.Assignment{}),
		"no UUID":        duvotest.WithAssignment(duvotest.Assignment{ID: "x", Name: "X"}),
		"two of one ID":  duvotest.WithAssignments(duvotest.Assignment{Name: "X"}, duvotest.Assignment{Name: "X"}),
	} {
		t.Run(name, func(t *testing.T) {
			said := panics(t, func() { duvotest.New(o) })
			require.Equal(t, 1, strings.Count(said, "duvotest: "), said)
			require.Equal(t, said, panics(t, func() { duvotest.NewServer(o) }))
		})
	}
	d := duvotest.New()
	defer d.Close()
	panics(t, func() { d.Client(duvo.WithBaseURL("://")) })
}

func TestOptions(t *testing.T) {
	var log bytes.Buffer
	team := "7e000000-0000-4000-8000-000000000001"
	inMemory(t, func(t *testing.T, w *world) {
		require.Equal(t, "dv_mine", w.Key())
		require.Equal(t, team, w.TeamID())
		teams, err := w.client.Teams(t.Context())
		require.NoError(t, err)
		require.Equal(t, team, teams[0].ID)
		require.Equal(t, "Mine", teams[0].Name)
		w.start(`{"agent_id":"` + agentID + `","message":"private"}`)
		require.Contains(t, log.String(), "operation=startRun")
		require.Contains(t, log.String(), "status=201")
		require.NotContains(t, log.String(), "dv_mine")
		require.NotContains(t, log.String(), "private")
	}, duvotest.WithKey("dv_mine"), duvotest.WithTeam(team, "Mine"), duvotest.WithAssignment(refunds()),
		duvotest.WithLog(slog.New(slog.NewTextHandler(&log, nil))))
}

func TestHistory(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		for range 100 {
			w.get("/v2/teams")
		}
		w.get("/v2/teams?last=1")
		all := w.Requests()
		require.GreaterOrEqual(t, len(all), 5)
		require.Less(t, len(all), 10)
		require.Equal(t, "1", all[len(all)-1].Query.Get("last"))
		require.Equal(t, 101, w.Count("listMyTeams"))
	}, duvotest.WithHistory(5))
}
