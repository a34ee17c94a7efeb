package inbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// holding makes a desk with a hold, which outlives it in the file.
func holding(t *testing.T, path string) *bench {
	hold := hitl.NewHold(hitl.HoldFile(path), nil)
	return newBenchOf(t, httptest.NewUnstartedServer(nil), hold.Over(hitl.PolicyFunc(suspend)), func(c *inbox.Config) { c.Hold = hold })
}

// TestHold: while somebody holds approvals the desk sends none, says so on each page,
// and lets people deny; the next process knows of it.
func TestHold(t *testing.T) {
	path := t.TempDir() + "/hold.json"
	b := holding(t, path)
	ref := b.start("refunds", "Refund 1 EUR|")
	page := b.as(kim, "GET", "/requests/"+ref, nil) // from before the hold
	require.Contains(t, page.text, `value="approve"`)
	require.NotContains(t, page.text, `id="held"`)
	require.Contains(t, b.as(lee, "GET", "/hold", nil).text, "Approvals go through")
	require.Equal(t, http.StatusUnprocessableEntity, b.as(lee, "POST", "/hold", url.Values{"hold": {"on"}}).status, "without a reason")
	require.Equal(t, http.StatusBadRequest, b.as(lee, "POST", "/hold", url.Values{"reason": {"x"}}).status)
	require.Equal(t, http.StatusForbidden, b.as(lee, "POST", "/hold", url.Values{"hold": {"on"}, "reason": {"x"}}, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }).status)
	on := b.as(lee, "POST", "/hold", url.Values{"hold": {"on"}, "reason": {"A wrong <price> list."}})
	require.Equal(t, http.StatusOK, on.status, on.text)
	require.Contains(t, on.text, "Approvals are on hold from now on.")

	yes := url.Values{"display": {b.display(page, "display")}, "verdict": {"approve"}, "reason": {""}}
	refused := b.as(kim, "POST", "/requests/"+ref, yes)
	require.Equal(t, http.StatusConflict, refused.status)
	require.Contains(t, refused.text, "Nothing was sent. Approvals are on hold. "+lee+": A wrong &lt;price&gt; list.")
	require.Zero(t, b.responses())
	held := b.as(kim, "GET", "/requests/"+ref, nil)
	require.NotContains(t, held.text, `value="approve"`)
	require.Contains(t, held.text, `value="deny"`)
	for _, path := range []string{"/", "/requests/" + ref, "/batch?request=" + ref, "/history"} {
		p := b.as(kim, "GET", path, nil)
		require.Contains(t, p.text, `id="held"`, path)
		require.Contains(t, p.text, "A wrong &lt;price&gt; list.", path)
	}
	require.ErrorIs(t, b.reg.Decide(t.Context(), b.reg.Pending()[0], hitl.Approve(kim, "")), hitl.ErrHeld, "wherever it comes from")

	next := holding(t, path) // after a restart
	require.Contains(t, next.as(kim, "GET", "/", nil).text, `id="held"`)

	off := b.as(lee, "POST", "/hold", url.Values{"hold": {"off"}, "reason": {"Mended."}})
	require.Equal(t, http.StatusOK, off.status)
	require.Equal(t, http.StatusOK, b.as(kim, "POST", "/requests/"+ref, yes).status)
	require.Equal(t, 1, b.responses())
}

func TestHoldLetsDeny(t *testing.T) {
	b := holding(t, t.TempDir()+"/hold.json")
	ref := b.start("refunds", "Refund 1 EUR|")
	b.as(lee, "POST", "/hold", url.Values{"hold": {"on"}, "reason": {"x"}})
	b.decide(kim, ref, b.open(kim, ref), url.Values{"verdict": {"deny"}})
	require.Equal(t, 1, b.responses())
}

// The API tells and switches the hold, and who may not switch it cannot.
func TestHoldAPI(t *testing.T) {
	path := t.TempDir() + "/hold.json"
	hold := hitl.NewHold(hitl.HoldFile(path), nil)
	b := newBenchOf(t, httptest.NewUnstartedServer(nil), hold.Over(hitl.PolicyFunc(suspend)), func(c *inbox.Config) {
		c.Hold = hold
		c.MayHold = func(_ context.Context, p inbox.Person) bool { return p.Login == lee }
	})
	s := describes(b)
	var state hitl.HoldState
	require.Equal(t, 200, b.json(s, kim, "GET", "/api/hold", "/api/hold", nil, &state))
	require.False(t, state.On)
	require.Equal(t, 403, b.json(s, kim, "PUT", "/api/hold", "/api/hold", map[string]any{"on": true, "reason": "x"}, nil))
	require.Equal(t, 422, b.json(s, lee, "PUT", "/api/hold", "/api/hold", map[string]any{"reason": "x"}, nil), "it is not said which")
	require.Equal(t, 422, b.json(s, lee, "PUT", "/api/hold", "/api/hold", map[string]any{"on": true}, nil))
	require.Equal(t, 200, b.json(s, lee, "PUT", "/api/hold", "/api/hold", map[string]any{"on": true, "reason": "x"}, &state))
	require.Equal(t, lee, state.By)
	require.True(t, state.On)
	ref := b.start("refunds", "Refund 1 EUR|")
	var one struct{ Display, Shut string }
	require.Equal(t, 200, b.json(s, kim, "GET", "/api/requests/{ref}", "/api/requests/"+ref, nil, &one))
	require.NotEmpty(t, one.Shut)
	var out answersJSON
	require.Equal(t, 409, b.json(s, kim, "POST", "/api/decisions", "/api/decisions", map[string]any{"decisions": []any{map[string]any{"ref": ref, "display": one.Display, "verdict": "approve"}}}, &out))
	require.False(t, out.Taken)
	require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600))
	require.Equal(t, 500, b.json(s, kim, "GET", "/api/hold", "/api/hold", nil, nil))
	require.Contains(t, b.as(kim, "GET", "/", nil).text, "cannot be read, so none is sent")
	require.Equal(t, 500, b.json(s, lee, "PUT", "/api/hold", "/api/hold", map[string]any{"on": false}, nil))
	require.Equal(t, 200, b.json(s, lee, "PUT", "/api/hold", "/api/hold", map[string]any{"on": true, "reason": "x"}, nil))
	require.Equal(t, 200, b.json(s, lee, "PUT", "/api/hold", "/api/hold", map[string]any{"on": false}, &state))
	require.False(t, state.On)
	require.Equal(t, 404, newBench(t, nil).json(s, kim, "GET", "/api/hold", "/api/hold", nil, nil))
}

// Who asked for the work is shown that somebody else has to approve it, and may deny.
func TestOwnWorkAtTheDesk(t *testing.T) {
	b := newBenchOf(t, httptest.NewUnstartedServer(nil), hitl.NotOwn(nil, hitl.PolicyFunc(suspend)), nil)
	tool, err := b.reg.Tool("refunds")
	require.NoError(t, err)
	_, err = tool.Run(duvotool.WithCaller(t.Context(), hitl.Caller{User: kim}), "Refund 1 EUR|")
	require.NoError(t, err)
	ref := inbox.Ref(b.reg.Pending()[0])
	page := b.open(kim, ref)
	require.NotContains(t, page.text, `value="approve"`)
	require.Contains(t, page.text, "somebody else has to approve it")
	refused := b.decide(kim, ref, page, url.Values{"verdict": {"approve"}})
	require.Equal(t, http.StatusForbidden, refused.status)
	require.Zero(t, b.responses())
	require.Equal(t, http.StatusOK, b.decide(lee, ref, b.open(lee, ref), url.Values{"verdict": {"approve"}}).status)
	require.Equal(t, 1, b.responses())
}
