package inbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// serve serves a page of a desk without a connection.
func serve(t testing.TB, desk *inbox.Desk, who, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("X-Person", who)
	desk.ServeHTTP(w, r)
	return w
}

func crowdedDesk(t testing.TB, n int, change func(*inbox.Config)) *inbox.Desk {
	t.Helper()
	cfg := inbox.Config{Registries: []inbox.Registry{newCrowd(n)}, Person: person, May: inbox.Everyone,
		Deadline: func(r hitl.Request) (time.Time, string) { return r.FirstSeen.Add(30 * 24 * time.Hour), "denied" }}
	if change != nil {
		change(&cfg)
	}
	desk, err := inbox.New(cfg)
	require.NoError(t, err)
	t.Cleanup(desk.Close)
	return desk
}

// Of ten thousand requests with long texts in many Assignments a page shows fifty, in
// few bytes, and their rows are not made anew for each reader.
func TestTenThousandWait(t *testing.T) {
	desk := crowdedDesk(t, 10_000, nil)
	page := serve(t, desk, kim, "/")
	require.Equal(t, http.StatusOK, page.Code)
	require.Equal(t, 50, strings.Count(page.Body.String(), `<li class="row`))
	require.Less(t, page.Body.Len(), 60_000)
	require.Contains(t, page.Body.String(), "10000 of 10000")
	require.Contains(t, page.Body.String(), "and 180 others")
	last := serve(t, desk, kim, "/?page=200")
	require.Equal(t, 50, strings.Count(last.Body.String(), `<li class="row`))
	require.NotContains(t, last.Body.String(), "Next page")
	one := serve(t, desk, kim, "/?find=order+40007+")
	require.Equal(t, 1, strings.Count(one.Body.String(), `<li class="row`))
	chosen := serve(t, desk, kim, "/?assignment=6f1e02c9-0000-4000-8000-000000000199").Body.String()
	require.Contains(t, chosen, `aria-current="true">Refunds of shop 199 `)
	require.Contains(t, chosen, "50 of 10000")
	allocations := testing.AllocsPerRun(5, func() { serve(t, desk, kim, "/") })
	require.Less(t, allocations, 60_000.0, "some for each of the fifty, and a few for each that waits where they are read anew")
}

// Who may not see a request any more is shown nothing of it, however many wait.
func TestAccessIsAskedForWhatIsShown(t *testing.T) {
	access := inbox.Decide
	desk := crowdedDesk(t, 1000, func(c *inbox.Config) {
		c.May = func(context.Context, inbox.Person, hitl.Request) inbox.Access { return access }
	})
	require.Contains(t, serve(t, desk, kim, "/").Body.String(), "Refund 0 EUR")
	access = inbox.Seen
	require.NotContains(t, serve(t, desk, kim, "/").Body.String(), `type="checkbox"`)
	access = inbox.Hidden
	require.NotContains(t, serve(t, desk, kim, "/?show=all").Body.String(), "Refund")
}
