package mcp_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSmoke(t *testing.T) {
	for name, opts := range map[string][]duvotestmcp.Option{
		"new": nil, "events": {duvotestmcp.WithEvents()}, "sessions": {duvotestmcp.WithSessions()},
		"text": {duvotestmcp.WithContent(duvotestmcp.Text)},
		"2025-06-18": {duvotestmcp.WithRevisions("2025-06-18"), duvotestmcp.WithSessions(), duvotestmcp.WithEvents()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
				defer d.Close()
				s := duvotestmcp.New(d, opts...)
				c, err := mcp.Connect(t.Context(), mcp.With(s.Options()...))
				require.NoError(t, err)
				defer c.Close()
				t.Log(c.Protocol())
				reg, err := duvotool.Discover(t.Context(), c)
				require.NoError(t, err)
				defer reg.Close(context.Background())
				for _, tool := range reg.All() {
					t.Log(tool.Name())
				}
				res, err := reg.All()[0].Run(t.Context(), "hello")
				require.NoError(t, err)
				t.Log(res.Observation())
				all, calls := s.Posts()
				t.Log(all, calls, len(d.Requests()))
			})
		})
	}
}
