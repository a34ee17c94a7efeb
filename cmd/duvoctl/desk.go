package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// atDesk decides at a service's desk.
type atDesk struct {
	app    *app
	base   *url.URL
	header http.Header
	http   *http.Client
	events *events
}

// maxAnswer bounds what is read of the desk's answer, in bytes.
const maxAnswer = 32 << 20

// openDesk reads the flags about the desk. It sends nothing yet.
func (a *app) openDesk() (*atDesk, error) {
	base, err := url.Parse(strings.TrimRight(a.desk, "/"))
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		told := ": it" // it may hold a password
		if !strings.Contains(a.desk, "@") {
			told = ": " + quoted(a.desk)
		}
		return nil, usage("--desk"+told+" is no address", "give one such as https://ops.example.com/desk")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, usage("--desk: the address has more than a host and a path", "credentials belong into "+envToken+" or --desk-header")
	case base.Scheme == "http" && !isHere(base.String()) && !a.plainHTTP:
		return nil, usage("--desk: over plain http others could read the token and change what you are shown", "use https, or --allow-plain-http inside a trusted network")
	}
	d := &atDesk{app: a, base: base, header: http.Header{}}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	d.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	token := os.Getenv(envToken)
	if a.tokenFile != "" {
		raw, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return nil, usage("--desk-token-file: "+err.Error(), "")
		}
		token = string(raw)
	}
	if token = strings.TrimSpace(token); token != "" {
		if !sendable(token) {
			return nil, usage("the desk's token has a character that no header can carry", "set "+envToken+", or --desk-token-file, to the token alone")
		}
		d.header.Set("Authorization", "Bearer "+token)
	}
	if err := a.addHeaders(d.header); err != nil {
		return nil, err
	}
	return d, nil
}

// addHeaders adds those of --desk-header. No error tells what was given: it may be a
// secret.
func (a *app) addHeaders(to http.Header) error {
	const as = "write it as 'NAME: VALUE', or 'NAME: @FILE'"
	for i, h := range a.headers {
		name, value, ok := strings.Cut(h, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || !sendable(name) || strings.ContainsAny(name, " \t\"@/=") {
			return usage(fmt.Sprintf("--desk-header: number %d is no header", i+1), as)
		}
		if file, ok := strings.CutPrefix(value, "@"); ok {
			raw, err := os.ReadFile(file)
			if err != nil {
				return usage("--desk-header: "+err.Error(), "")
			}
			value = strings.TrimSpace(string(raw))
		}
		if !sendable(value) {
			return usage("--desk-header: the value of "+name+" has a character that no header can carry", as)
		}
		to.Add(name, value)
	}
	return nil
}

// sendable reports whether a header can carry a text.
func sendable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// isHere reports whether an address is this machine's own.
func isHere(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (d *atDesk) where() string { return "" }

func (d *atDesk) close() {
	if d.events != nil {
		d.events.close()
	}
	d.http.CloseIdleConnections()
}

// request makes a request of the API; in, if not nil, is sent as JSON.
func (d *atDesk) request(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, d.base.String()+"/api/"+path, body)
	if err != nil {
		return nil, err
	}
	r.GetBody = nil // what is sent is sent once
	for name, values := range d.header {
		r.Header[name] = slices.Clone(values)
	}
	r.Header.Set("User-Agent", userAgent())
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return d.http.Do(r)
}

// call makes a request and reads the answer into out. The statuses that a verb knows
// are returned with what was read; all others are errors.
func (d *atDesk) call(ctx context.Context, method, path string, in, out any, known ...int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, d.app.timeout)
	defer cancel()
	res, err := d.request(ctx, method, path, in)
	if err != nil {
		return 0, &failure{kind: "error", text: "the desk cannot be reached: " + err.Error(), do: "check --desk and " + envDesk + " (" + d.base.Redacted() + ")", err: err}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, &failure{kind: "error", text: "the desk's answer broke off: " + err.Error(), err: err}
	}
	if res.StatusCode/100 != 2 && !slices.Contains(known, res.StatusCode) {
		return res.StatusCode, d.refused(res, raw)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return res.StatusCode, d.noDesk(res.StatusCode)
	}
	return res.StatusCode, nil
}

func (d *atDesk) noDesk(status int) error {
	return &failure{kind: "error", text: fmt.Sprintf("there is no desk at %s: it answered %d, and not as a desk does", d.base.Redacted(), status), do: "give the address under which the desk's pages are, such as https://ops.example.com/desk"}
}

// refused tells of an answer that is none.
func (d *atDesk) refused(res *http.Response, raw []byte) error {
	var p struct{ Error string }
	read := json.Unmarshal(raw, &p) == nil && p.Error != ""
	f := &failure{kind: "error", text: "the desk says: " + hitl.SafeLine(p.Error, 500)}
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode/100 == 3:
		return &failure{kind: "auth", text: "the desk does not know who you are", do: "set " + envToken + " to what the desk's host gives you, or see --desk-header"}
	case res.StatusCode == http.StatusForbidden:
		f.kind = "auth"
	case res.StatusCode == http.StatusNotFound:
		f.kind, f.do = "not_found", "'duvoctl pending' lists what waits"
	}
	if !read {
		if f.kind == "auth" {
			f.text = fmt.Sprintf("the desk refused it with %d", res.StatusCode)
			return f
		}
		return d.noDesk(res.StatusCode)
	}
	return f
}

func (d *atDesk) pending(ctx context.Context) ([]*request, error) { return d.list(ctx, url.Values{}) }

// list reads all pages. What waits may change between two of them, which would leave
// one out: then they are read anew.
func (d *atDesk) list(ctx context.Context, query url.Values) ([]*request, error) {
	query.Set("show", "all")
	for range 5 {
		all, whole, err := d.pages(ctx, query)
		if err != nil || whole {
			return all, err
		}
	}
	return nil, &failure{kind: "error", text: "what waits at the desk changes faster than it can be read", do: "try again"}
}

// pages reads all pages once; whole is false where they do not fit together.
func (d *atDesk) pages(ctx context.Context, query url.Values) (all []*request, whole bool, err error) {
	seen := map[string]bool{}
	for page, matching := 1, -1; page > 0; {
		query.Set("page", strconv.Itoa(page))
		var out struct {
			Requests []*deskRequest `json:"requests"`
			Matching int            `json:"matching"`
			Next     int            `json:"next"`
		}
		if _, err := d.call(ctx, http.MethodGet, "requests?"+query.Encode(), nil, &out); err != nil {
			return nil, false, err
		}
		if matching >= 0 && matching != out.Matching || out.Next != 0 && out.Next <= page {
			return nil, false, nil
		}
		for _, r := range out.Requests {
			if seen[r.Ref] {
				return nil, false, nil
			}
			seen[r.Ref] = true
			all = append(all, r.here())
		}
		page, matching = out.Next, out.Matching
	}
	return all, true, nil
}

// A deskRequest is a request as the desk tells it.
type deskRequest struct {
	request
	Display string `json:"display"`
}

func (d *atDesk) page(ref string) string {
	return d.base.Redacted() + "/requests/" + url.PathEscape(ref)
}

func (r *deskRequest) here() *request {
	r.At, r.display = "desk", r.Display
	return &r.request
}

func (d *atDesk) find(ctx context.Context, name string) (*request, error) {
	var out deskRequest
	_, err := d.call(ctx, http.MethodGet, "requests/"+url.PathEscape(name), nil, &out)
	f := &failure{}
	if err == nil || !errors.As(err, &f) || f.kind != "not_found" {
		r := out.here()
		r.page = d.page(r.Ref)
		return r, err
	}
	if isID(name) { // of the request or its Job
		all, err := d.list(ctx, url.Values{})
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			if strings.EqualFold(r.Request.ID, name) || strings.EqualFold(r.Request.JobID, name) {
				return d.find(ctx, r.Ref)
			}
		}
	}
	if past, err := d.past(ctx, name); err == nil && past != nil {
		return nil, &decidedError{past}
	}
	return nil, f
}

// past looks for what was decided about a request; nil if nothing is known.
func (d *atDesk) past(ctx context.Context, name string) (*decided, error) {
	for _, by := range []string{"ref", "request", "job"} {
		if (by != "ref") != isID(name) {
			continue
		}
		var out deskHistory
		if _, err := d.call(ctx, http.MethodGet, "history?"+url.Values{by: {name}}.Encode(), nil, &out); err != nil {
			return nil, err
		}
		if len(out.Decided) > 0 {
			return out.Decided[0], nil
		}
	}
	return nil, nil
}

// isID reports whether a name is an ID of Duvo's.
func isID(name string) bool { return len(name) == 36 && strings.Count(name, "-") == 4 }

var endings = map[string]string{"sent": endSent, "unknown": endUnknown, "stale": endChanged, "elsewhere": endElsewhere, "gone": endElsewhere, "held": endHeld, "unproved": endUnproved,
	"forbidden": endForbidden, "unread": endFailed, "invalid": endInvalid, "failed": endFailed}

func (d *atDesk) decide(ctx context.Context, r *request, o order) (result, error) {
	res := result{At: "desk", Ref: r.Ref, JobID: r.Request.JobID, Digest: r.Digest, Verdict: o.verdict}
	type one struct {
		Ref     string            `json:"ref"`
		Display string            `json:"display"`
		Verdict string            `json:"verdict"`
		Reason  string            `json:"reason,omitempty"`
		Answers map[string]string `json:"answers,omitempty"`
	}
	in := map[string]any{"decisions": []one{{r.Ref, r.display, o.verdict, o.reason, o.answers}}}
	var out struct {
		Answers []struct{ Ending, Text, By string } `json:"answers"`
		Error   string                              `json:"error"`
	}
	var status int
	err := d.app.sending(ctx, "the decision", func(own, _ context.Context) (err error) {
		status, err = d.call(own, http.MethodPost, "decisions", in, &out, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusBadGateway)
		return err
	})
	switch {
	case notBegun(err), err != nil && status != 0 && status < 500 && status/100 != 2:
		return res, err // it was not taken
	case err != nil:
		res.Ending = endUnknown
		res.Text = unknownText(err) + d.known(context.WithoutCancel(ctx), r)
	case len(out.Answers) != 1 && out.Error != "":
		res.Ending, res.Text = endFailed, out.Error
	case len(out.Answers) != 1:
		return res, d.noDesk(status)
	default:
		a := out.Answers[0]
		res.Ending, res.Text, res.By = endings[a.Ending], a.Text, a.By
		if res.Ending == "" {
			res.Ending = endUnknown
		}
	}
	return res, nil
}

// known tells what the desk says now of a request of which it is not known whether it
// was decided.
func (d *atDesk) known(ctx context.Context, r *request) string {
	ctx, cancel := context.WithTimeout(ctx, d.app.timeout)
	defer cancel()
	now, err := d.find(ctx, r.Ref)
	var past *decidedError
	switch {
	case errors.As(err, &past):
		return " The desk says now: " + past.Error() + "."
	case err == nil && now.Digest == r.Digest:
		return " At the desk it still waits; look again in a minute with 'duvoctl show " + r.Ref + "' before you repeat it."
	}
	return " Look with 'duvoctl show " + r.Ref + "' before you repeat it."
}
