package duvotest_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestServer(t *testing.T) {
	s := duvotest.NewServer(duvotest.WithAssignment(refunds()))
	defer s.Close()
	require.True(t, strings.HasPrefix(s.URL, "http://127.0.0.1:"))
	for _, e := range s.Env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	c, err := duvo.FromEnv(duvo.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
	require.NoError(t, err)
	j, err := c.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
	require.NoError(t, err)
	_, found := s.Job(j.ID)
	require.True(t, found)
	_, err = s.Client().Job(t.Context(), j.ID)
	require.NoError(t, err)
	_, err = s.Duvo.Client().Job(t.Context(), j.ID) // in memory besides
	require.NoError(t, err)
}

func TestListen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := duvotest.NewUnstartedServer()
	require.Empty(t, s.URL)
	s.Listen(l)
	s.Start()
	defer s.Close()
	require.Equal(t, "http://"+l.Addr().String(), s.URL)
	_, err = s.Client().Teams(t.Context())
	require.NoError(t, err)
}

func TestServerClose(t *testing.T) {
	s := duvotest.NewServer(duvotest.WithAssignment(refunds()))
	s.Inject(duvotest.Fault{Op: "listMyTeams", Kind: duvotest.Hang}, duvotest.Fault{Op: "getTeam", Latency: time.Hour},
		duvotest.Fault{Op: "startRun", Kind: duvotest.LateEffect, EffectDelay: time.Hour})
	c := s.Client(duvo.WithRetries(1, 0), duvo.WithTimeout(time.Hour))
	_, err := c.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
	require.Error(t, err)
	_, err = c.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
	require.NoError(t, err)
	ends := make(chan error, 2)
	go func() { _, err := c.Teams(context.Background()); ends <- err }()
	go func() {
		h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := h.Get(s.URL + "/v2/teams/" + s.TeamID())
		if err == nil {
			_ = resp.Body.Close()
		}
		ends <- nil
	}()
	require.Eventually(t, func() bool { return s.Count("listMyTeams")+s.Count("getTeam") == 2 }, time.Minute, time.Millisecond)
	s.Close()
	<-ends
	<-ends
	s.Close()
	require.Len(t, s.Jobs(), 1)
	_, err = c.Teams(t.Context())
	require.Error(t, err)
}

func TestUnstartedServerClose(t *testing.T) {
	s := duvotest.NewUnstartedServer()
	s.Close()
}
