package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/spf13/cobra"
)

// A check is one thing that must be in order.
type check struct {
	Name  string `json:"name"`
	State string `json:"state"` // ok, warning, failed or skipped
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"`
	auth  bool
}

func (a *app) doctorCmd() *cobra.Command {
	var webhook string
	c := &cobra.Command{Use: "doctor", Short: "Check the key, the team, the limits, the clock and the network", Args: exactly(),
		Long: `Check what Jobs and decisions depend on, and say what to do where something is
wrong. Nothing is changed by it: it reads, and knocks at the webhook with a
delivery that bears no signature, which must be refused.`,
		Example: "  duvoctl doctor\n  duvoctl doctor --webhook https://agents.example.com/duvo --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.tellChecks(a.examine(c.Context(), webhook))
		}}
	c.Flags().StringVar(&webhook, "webhook", "", "the `URL` at which a service takes Duvo's deliveries")
	return c
}

// examine makes all checks that can be made.
func (a *app) examine(ctx context.Context, webhook string) []check {
	all := []check{}
	if a.desk == "" || strings.TrimSpace(os.Getenv(duvo.EnvAPIKey)) != "" {
		all = append(all, a.checkDuvo(ctx)...)
	} else {
		all = append(all, check{Name: "key", State: "skipped", Text: duvo.EnvAPIKey + " is not set; the desk alone is used", Do: "set it for assignments, run, jobs, watch and stop"})
	}
	return append(all, a.checkDesk(ctx), a.checkWebhook(ctx, webhook))
}

// headers notes what every answer of Duvo's tells besides.
type headers struct {
	mu   sync.Mutex
	last http.Header
	sent time.Time
	took time.Duration
}

func (h *headers) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		begun := time.Now()
		res, err := next.RoundTrip(r)
		if err == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.last, h.sent, h.took = res.Header.Clone(), begun, time.Since(begun)
		}
		return res, err
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (a *app) checkDuvo(ctx context.Context) []check {
	seen := &headers{}
	client, err := a.client(duvo.WithTransport(seen.wrap))
	if err != nil {
		f := failureOf(err)
		return []check{{Name: "key", State: "failed", Text: f.text, Do: f.do, auth: f.kind == "auth"}}
	}
	defer client.CloseIdleConnections()
	teams, err := client.Teams(ctx)
	if err != nil {
		f := failureOf(err)
		if f.kind == "error" && f.do == "" {
			f.do = "check " + duvo.EnvBaseURL + " (" + client.BaseURL() + ") and the way there: DNS, proxy, firewall"
		}
		f.do, _, _ = strings.Cut(f.do, "; 'duvoctl doctor'") // this is it
		return []check{{Name: "key", State: "failed", Text: f.text, Do: f.do, auth: f.kind == "auth"}}
	}
	all := []check{{Name: "key", State: "ok", Text: "accepted by " + client.BaseURL()}}
	all = append(all, checkTeam(ctx, client, teams), checkLimits(seen), checkClock(seen))
	return append(all, a.checkMCP(ctx, client))
}

func checkTeam(ctx context.Context, client *duvo.Client, teams []duvo.Team) check {
	c := check{Name: "team"}
	id, err := client.Team(ctx)
	if err != nil {
		c.State, c.Text = "failed", hitl.SafeLine(err.Error(), 300)
		c.Do = "set " + duvo.EnvTeamID + " to one of the teams of the key: " + teamNames(teams)
		return c
	}
	for _, t := range teams {
		if strings.EqualFold(t.ID, id) {
			n := 0
			for _, err := range client.Assignments(ctx) {
				if err != nil {
					c.State, c.Text, c.Do = "failed", "its Assignments cannot be listed: "+hitl.SafeLine(err.Error(), 300), "use a key that may read them"
					return c
				}
				n++
			}
			c.State, c.Text = "ok", fmt.Sprintf("%s (%s), %s", hitl.SafeLine(t.Name, 80), t.ID, counted(n, "Assignment", "Assignments"))
			return c
		}
	}
	c.State, c.Text = "failed", "the key does not see the team "+hitl.SafeLine(id, 80)
	c.Do = "set " + duvo.EnvTeamID + " to one of the teams of the key: " + teamNames(teams)
	return c
}

func teamNames(teams []duvo.Team) string {
	var out []string
	for _, t := range teams {
		out = append(out, hitl.SafeLine(t.ID, 64)+" ("+hitl.SafeLine(t.Name, 80)+")")
	}
	if len(out) == 0 {
		return "it has none"
	}
	return strings.Join(out, ", ")
}

func checkLimits(seen *headers) check {
	c := check{Name: "limits"}
	limit, err := strconv.Atoi(seen.last.Get("X-Ratelimit-Limit"))
	left, err2 := strconv.Atoi(seen.last.Get("X-Ratelimit-Remaining"))
	switch {
	case err != nil || err2 != nil:
		c.State, c.Text = "ok", "the server tells no limit"
	case left*5 < limit:
		c.State, c.Text = "warning", fmt.Sprintf("%d of %d requests are left", left, limit)
		c.Do = "all that use the key share the limit: use fewer programs, keys of their own, or longer poll intervals"
	default:
		c.State, c.Text = "ok", fmt.Sprintf("%d of %d requests are left", left, limit)
	}
	return c
}

// maxSkew is how far the clocks may be apart: signatures of webhooks are bound to a few
// minutes.
const maxSkew = 30 * time.Second

func checkClock(seen *headers) check {
	c := check{Name: "clock"}
	at, err := http.ParseTime(seen.last.Get("Date"))
	if err != nil {
		c.State, c.Text = "skipped", "the server does not tell its time"
		return c
	}
	skew := seen.sent.Add(seen.took / 2).Sub(at).Round(time.Second)
	if skew.Abs() > maxSkew+seen.took {
		c.State, c.Text = "failed", fmt.Sprintf("this machine's clock is %s off the server's", skew)
		c.Do = "set it by NTP: deadlines, and the signatures of webhooks, go by it"
		return c
	}
	c.State, c.Text = "ok", "as the server's"
	return c
}

// checkMCP asks Duvo's MCP server to say hello.
func (a *app) checkMCP(ctx context.Context, client *duvo.Client) check {
	c := check{Name: "mcp", State: "warning", Do: "only programs that reach Duvo over MCP need it"}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	body := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"duvoctl","version":"1"}}}`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, client.BaseURL()+"/v2/mcp", strings.NewReader(body))
	if err != nil {
		c.Text = hitl.SafeLine(err.Error(), 300)
		return c
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(os.Getenv(duvo.EnvAPIKey)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	res, err := knock(r)
	switch {
	case err != nil:
		c.Text = "it cannot be reached: " + hitl.SafeLine(err.Error(), 300)
	case res.StatusCode == http.StatusNotFound:
		c.Text = "this server has none"
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		c.State, c.Text, c.Do = "failed", fmt.Sprintf("it refused the key with %d", res.StatusCode), "use a key with the scope mcp:call"
	case res.StatusCode/100 != 2:
		c.Text = fmt.Sprintf("it answered %d", res.StatusCode)
	default:
		c.State, c.Text, c.Do = "ok", "answers at "+client.BaseURL()+"/v2/mcp", ""
	}
	return c
}

// knock makes one request and follows no redirect.
func knock(r *http.Request) (*http.Response, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, which may hold a token
	}
	if err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
	}
	return res, err
}

func (a *app) checkDesk(ctx context.Context) check {
	c := check{Name: "desk"}
	if a.desk == "" {
		c.State, c.Text, c.Do = "skipped", "none is named", "set "+envDesk+", so that decisions go by a service's policies and audit"
		return c
	}
	d, err := a.openDesk()
	var me struct{ Login string }
	if err == nil {
		defer d.close()
		_, err = d.call(ctx, http.MethodGet, "me", nil, &me)
	}
	if err != nil {
		f := failureOf(err)
		c.State, c.Text, c.Do, c.auth = "failed", f.text, f.do, f.kind == "auth"
		return c
	}
	c.State, c.Text = "ok", "at "+d.base.Redacted()+" you are "+hitl.SafeLine(me.Login, 80)
	return c
}

// checkWebhook knocks at a service's door for deliveries.
func (a *app) checkWebhook(ctx context.Context, address string) check {
	c := check{Name: "webhook", State: "failed"}
	u, err := url.Parse(address)
	switch {
	case address == "":
		c.State, c.Text, c.Do = "skipped", "none is named; Jobs are read without them, a little later", "give one with --webhook URL"
		return c
	case err != nil || u.Host == "":
		c.Text, c.Do = "that is no address", "give one such as https://agents.example.com/duvo"
		return c
	case u.Scheme != "https" && !isHere(address):
		c.Text, c.Do = "Duvo must reach it by https, since its address holds a token", "put TLS in front of it"
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	raw, _ := json.Marshal(map[string]string{"event": "run_completed", "run_id": "00000000-0000-4000-8000-000000000000"})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(string(raw)))
	if err != nil {
		c.Text = hitl.SafeLine(err.Error(), 200)
		return c
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := knock(r)
	switch {
	case err != nil:
		c.Text, c.Do = "it cannot be reached from here: "+hitl.SafeLine(err.Error(), 300), "check that the service runs, its name, its certificate and the firewall"
	case res.StatusCode == http.StatusNotFound:
		c.Text, c.Do = "there is a server, and nothing at that path", "give the path at which the service mounts Registry.Webhook"
	case res.StatusCode/100 == 5:
		c.Text, c.Do = fmt.Sprintf("it answered %d", res.StatusCode), "see the service's log; 503 is one that is closing"
	case res.StatusCode/100 == 3:
		c.Text, c.Do = fmt.Sprintf("it redirects (%d), which deliveries do not follow", res.StatusCode), "give Duvo the address that it leads to"
	case res.StatusCode/100 == 2:
		c.State, c.Text, c.Do = "warning", "it takes deliveries without a signature", "let the service check signatures: give duvotool.WithWebhook the secret"
	default:
		c.State, c.Text = "ok", fmt.Sprintf("reachable from here, and refuses what is not signed (%d)", res.StatusCode)
	}
	return c
}

func (a *app) tellChecks(all []check) error {
	out := struct {
		OK     bool    `json:"ok"`
		Checks []check `json:"checks"`
	}{true, all}
	kind := "doctor"
	for _, c := range all {
		if c.State == "failed" {
			out.OK = false
			if c.auth {
				kind = "auth"
			}
		}
	}
	err := a.print(out, func(w io.Writer) {
		for _, c := range all {
			_, _ = fmt.Fprintf(w, "%-8s %-8s %s\n", c.State, c.Name, hitl.SafeText(c.Text, 500))
			if c.Do != "" && c.State != "ok" {
				_, _ = fmt.Fprintf(w, "%18sdo: %s\n", "", hitl.SafeText(c.Do, 500))
			}
		}
	})
	if err == nil && !out.OK {
		return &failure{kind: kind, text: "something is wrong", told: true}
	}
	return err
}
