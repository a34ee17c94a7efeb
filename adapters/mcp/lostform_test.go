package mcp_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/hitl"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// A sieve lets all through but the response to the first tool call: that is read to
// its end, and the host is given none of it.
type sieve struct {
	next  http.RoundTripper
	first atomic.Bool
	form  chan struct{} // closed once a form has come in that response
	ended chan struct{} // closed at its end
}

func (s *sieve) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return s.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	host := r.Context()
	r = r.Clone(host)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !bytes.Contains(body, []byte("tools/call")) || s.first.Swap(true) {
		return s.next.RoundTrip(r)
	}
	resp, err := s.next.RoundTrip(r.WithContext(context.WithoutCancel(host)))
	if err != nil {
		return nil, err
	}
	all := resp.Body
	go func() {
		defer close(s.ended)
		defer all.Close()
		for lines, seen := bufio.NewScanner(all), false; lines.Scan(); {
			if !seen && strings.Contains(lines.Text(), "elicitation/create") {
				seen = true
				close(s.form)
			}
		}
	}()
	resp.Body = nothing{host}
	return resp, nil
}

// nothing is a body of which nothing comes until the host gives up.
type nothing struct{ host context.Context }

func (n nothing) Read([]byte) (int, error) {
	<-n.host.Done()
	return 0, n.host.Err()
}

func (nothing) Close() error { return nil }

// A form that was on its way when the host gave up its call has not been seen: the
// next call shows it at once.
func TestAFormThatCrossesWithGivingUp(t *testing.T) {
	verify, err := mcp.Token(serverToken)
	require.NoError(t, err)
	for _, revision := range revisions {
		if revision >= "2026-07-28" {
			continue // no form is shown by a call that is under way
		}
		t.Run(revision, func(t *testing.T) {
			s := serve(t, verify)
			form, ended := make(chan struct{}), make(chan struct{})
			// What is answered as the first call leaves may be decided for nobody, and asked again.
			sayYesThen := func(p *sdk.ElicitParams) (*sdk.ElicitResult, error) {
				<-ended
				return sayYes(p)
			}
			session := s.overLossy(t, func(next http.RoundTripper) http.RoundTripper { return &sieve{next: next, form: form, ended: ended} }, revision, sayYesThen)
			p := params("refunds", "order 4711", "", nil)
			giveUp := call(t, session, p)
			<-form
			giveUp()
			again, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			res, err := session.CallTool(again, p)
			require.Contains(t, text(t, res, err), "Refunded.")
			require.Len(t, s.d.Jobs(), 1)
			require.Equal(t, 2, s.d.Count("respondToHumanRequest"))
			require.Len(t, s.forms, 2)
		})
	}
}

// A host that has closed a form with the call that it gave up is shown it again,
// though it waits in one call from then on.
func TestAFormIsShownAgainToACallThatWaits(t *testing.T) {
	withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), nil, func(t *testing.T, h *host) {
		revision := h.InitializeResult().ProtocolVersion
		if revision >= "2026-07-28" {
			return
		}
		never, end := context.WithCancel(t.Context())
		var forms atomic.Int32
		session := h.connect(t, revision, func(p *sdk.ElicitParams) (*sdk.ElicitResult, error) {
			if forms.Add(1) == 1 {
				<-never.Done()
				return nil, never.Err()
			}
			return sayYes(p)
		})
		defer session.Close()
		defer end()
		ctx, giveUp := context.WithTimeout(t.Context(), 90*time.Second) // the Job asks after a minute
		defer giveUp()
		_, err := session.CallTool(ctx, params("refunds", "order 4711", "", nil))
		require.Error(t, err)
		synctest.Wait() // it has left; that it comes as it leaves is another story
		began := time.Now()
		again, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		res, err := session.CallTool(again, params("refunds", "order 4711", "", nil))
		require.Contains(t, text(t, res, err), "Refunded.")
		require.Less(t, time.Since(began), 3*time.Minute)
		require.Equal(t, int32(3), forms.Load(), "the first of its two requests was shown twice")
		require.Equal(t, 2, h.d.Count("respondToHumanRequest"))
	}, duvotool.WithWaitBudget(2*time.Hour))
}
