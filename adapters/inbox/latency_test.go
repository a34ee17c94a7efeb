package inbox_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// Prints how long it takes from a request that the registry has seen to a page that
// watches and shows it, and from a click to Duvo:
//
//	DUVOTOOL_DESK_CLICKS=200 go test -run TestHowLongItTakes -v ./adapters/inbox
func TestHowLongItTakes(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("DUVOTOOL_DESK_CLICKS"))
	if err != nil {
		t.Skip("set DUVOTOOL_DESK_CLICKS to a number of requests")
	}
	b := &bench{T: t, d: duvotest.New(duvotest.WithAssignments(asks))}
	defer b.d.Close()
	seen, sent := make(chan time.Time, 1), make(chan time.Time, 1)
	b.d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
		if op == "respondToHumanRequest" {
			sent <- time.Now()
		}
		return nil
	})
	b.reg, err = duvotool.Discover(t.Context(), b.d.Client(), duvotool.WithPollInterval(5*time.Millisecond), duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
		seen <- time.Now()
		return hitl.Suspend(), nil
	})))
	require.NoError(t, err)
	defer func() { require.NoError(t, b.reg.Close(context.Background())) }()
	b.desk, err = inbox.New(inbox.Config{Registries: []inbox.Registry{b.reg}, Person: person, May: inbox.Everyone, BasePath: "/desk"})
	require.NoError(t, err)
	defer b.desk.Close()
	b.http = httptest.NewServer(http.StripPrefix("/desk", b.desk))
	defer func() { b.http.CloseClientConnections(); b.http.Close() }()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.http.URL+"/desk/events", nil)
	require.NoError(t, err)
	r.Header.Set("X-Person", kim)
	stream, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer stream.Body.Close()
	events := bufio.NewScanner(stream.Body)
	tool, err := b.reg.Tool("refunds")
	require.NoError(t, err)
	var toPage, toDuvo []time.Duration
	for k := range n {
		title := fmt.Sprintf("Refund %d EUR.", 1000+k)
		ended := make(chan error, 1)
		go func() {
			_, err := tool.Run(duvotool.WithOperationKey(t.Context(), title), title)
			ended <- err
		}()
		began := <-seen
		for shown := false; !shown; {
			require.True(t, events.Scan(), events.Err())
			shown = strings.HasPrefix(events.Text(), "event:") && strings.Contains(b.as(kim, "GET", "/", nil).text, title)
		}
		toPage = append(toPage, time.Since(began))
		require.NoError(t, <-ended)
		ref := inbox.Ref(b.reg.Pending()[0])
		form := url.Values{"display": {b.display(b.open(kim, ref), "display")}, "verdict": {"approve"}}
		began = time.Now()
		go b.as(kim, "POST", "/requests/"+ref, form)
		toDuvo = append(toDuvo, (<-sent).Sub(began))
		require.Eventually(t, func() bool { return len(b.reg.Pending()) == 0 }, eventually, tick)
	}
	for name, all := range map[string][]time.Duration{"from a request that is seen to the page": toPage, "from a click to Duvo": toDuvo} {
		slices.Sort(all)
		t.Logf("%s: median %v, 95%% within %v", name, all[len(all)/2].Round(10*time.Microsecond), all[len(all)*95/100].Round(10*time.Microsecond))
	}
}
