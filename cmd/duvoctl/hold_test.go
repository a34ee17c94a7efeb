package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// While approvals are held at the desk nothing is approved, and people can deny.
func TestHoldAtADesk(t *testing.T) {
	b := atDeskBench(t)
	ref, digest := b.shown(b.starts("refunds", "Refund 120 EUR|").JobID)
	require.Equal(t, "Approvals go on.\n", b.ok("hold"))
	b.json(0, "hold", nil, "hold", "on", "--reason", "wrong prices", "-y")
	require.Regexp(t, `Approvals are HELD, since .* by kim@example.com: wrong prices\.`, b.ok("hold"))
	b.json(exitError, "error", nil, "approve", ref, "--digest", digest, "-y")
	require.Contains(t, b.ok("show", ref), "Not now")
	require.Zero(t, b.sent())
	b.json(0, "hold", nil, "hold", "off", "-y")
	require.Contains(t, b.ok("approve", ref, "--digest", digest, "-y"), "Sent.")
	require.Equal(t, 1, b.sent())
	require.Contains(t, b.ok("audit", "query", b.path, "--all", "--by", kim), "held")

	ref, digest = b.shown(b.starts("refunds", "Refund 130 EUR|").JobID)
	b.ok("hold", "on", "--reason", "wrong prices", "-y")
	require.Contains(t, b.ok("deny", ref, "--digest", digest, "-y"), "Sent.", "people can deny meanwhile")
}

// What a desk answers about its hold is told.
func TestHold(t *testing.T) {
	b := atDuvoBench(t)
	var state held
	puts, broken := 0, 0
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken != 0 {
			w.WriteHeader(broken)
			_, _ = w.Write([]byte(`{"error":"Nothing was switched."}`))
			return
		}
		if r.Method == http.MethodPut && r.URL.Path == "/api/hold" {
			var in struct {
				On     *bool
				Reason string
			}
			if json.NewDecoder(r.Body).Decode(&in) != nil || in.On == nil || r.Header.Get("Content-Type") != "application/json" {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			puts++
			state = held{*in.On, kim, in.Reason, time.Now()}
		}
		_ = json.NewEncoder(w).Encode(state)
	}))
	defer desk.Close()
	t.Setenv(envDesk, desk.URL)
	require.Equal(t, "Approvals go on.\n", b.ok("hold"))
	require.Equal(t, exitError, b.ctl("hold", "on", "--reason", "wrong prices").code, "without -y")
	require.Equal(t, exitError, b.ctl("hold", "on", "-y").code, "without a reason")
	require.Equal(t, exitError, b.ctl("hold", "up").code)
	require.Zero(t, puts)
	var h held
	b.json(0, "hold", &h, "hold", "on", "--reason", "wrong prices", "-y")
	require.True(t, h.On)
	require.Regexp(t, `Approvals are HELD, since .* by kim@example.com: wrong prices\.`, b.ok("hold", "status"))
	require.Contains(t, b.ok("hold", "off", "-y"), "Approvals go on, since")
	require.Equal(t, 2, puts)
	for status, code := range map[int]int{http.StatusNotFound: exitNotFound, http.StatusForbidden: exitAuth, http.StatusInternalServerError: exitError} {
		broken = status
		b.json(code, "error", nil, "hold", "off", "-y")
	}
}

// What takes a proof, and what is held up, is told before anything is sent.
func TestWhatADeskShuts(t *testing.T) {
	b := atDeskBench(t)
	req := b.starts("refunds", "Refund 1 EUR|")
	r := &request{At: "desk", Ref: "r", Digest: req.Digest(), Decide: true, Request: req, page: "https://ops.example.com/desk/requests/r"}
	for _, c := range []struct {
		prove bool
		shut  string
		kind  string
	}{{true, "", "unproved"}, {false, "Approvals are held.", "held"}} {
		r.Prove, r.Shut = c.prove, c.shut
		_, err := fit(r, order{verdict: "approve"})
		require.Equal(t, c.kind, failureOf(err).kind)
		_, err = fit(r, order{verdict: "deny"})
		require.NoError(t, err)
	}
	require.Contains(t, failureOf(func() error { r.Prove = true; _, err := fit(r, order{verdict: "approve"}); return err }()).do, r.page)
}
