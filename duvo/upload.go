package duvo

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/jsonkeys"
	"github.com/duvotool/duvotool/internal/safetext"
)

const (
	opUploadURL = "createSandboxUploadUrl"
	opPut       = "uploadToUrl" // no operation of the API's: the request to an upload URL
)

// An uploadURL is where a server wants a file to be sent. It is a secret: who
// knows it can write there.
type uploadURL struct {
	URL  string
	Path string // where the file will be; may be empty
}

func (c *Client) uploadURL(ctx context.Context, u SandboxUpload) (uploadURL, error) {
	var at uploadURL
	_, err := c.do(ctx, call{op: opUploadURL, method: http.MethodPost, path: "/v2/sandboxes/" + u.SandboxID + "/upload-urls",
		body: struct {
			Path string `json:"path"`
		}{u.Path}, repeatable: true, decode: func(body []byte) (err error) {
			at, err = decodeUploadURL(body)
			return err
		}})
	return at, noEffect(err) // nothing is uploaded yet
}

func decodeUploadURL(body []byte) (uploadURL, error) {
	if err := requireObject(body); err != nil {
		return uploadURL{}, err
	}
	var w struct {
		URL  string        `json:"upload_url"`
		Path loose[string] `json:"path"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return uploadURL{}, err
	}
	if err := jsonkeys.Check(body, nil); err != nil {
		return uploadURL{}, err
	}
	if w.URL == "" {
		return uploadURL{}, errors.New(`no "upload_url" field`)
	}
	return uploadURL{w.URL, w.Path.v}, nil
}

func (c *Client) uploadByURL(ctx context.Context, u SandboxUpload, open func() (io.ReadCloser, error), again bool) (SandboxFile, error) {
	attempts := 1
	if again {
		attempts = c.cfg.attempts
	}
	var at uploadURL
	_, err := c.repeat(ctx, call{op: opPut, method: http.MethodPut, repeatable: true}, attempts, func() ([]byte, error) {
		// A URL for each attempt: one that expired would fail for good.
		var err error
		if at, err = c.uploadURL(ctx, u); err != nil {
			return nil, &settledError{err}
		}
		to, err := checkUploadURL(c.base, at.URL)
		if err != nil {
			return nil, badBody(opUploadURL, err, false)
		}
		content, err := open()
		if err != nil {
			return nil, noEffect(errtext.Errorf("duvo: %s: %w", opPut, err))
		}
		defer content.Close()
		return nil, c.put(ctx, to, content, u.Size)
	})
	if err != nil {
		return SandboxFile{}, err
	}
	return uploaded(firstOf(at.Path, u.Path), u.Size), nil
}

// put sends a content to an upload URL that was checked.
func (c *Client) put(ctx context.Context, to *url.URL, content io.Reader, size int64) error {
	redact := hider(to, c.redactor(""))
	caller, timeout := ctx, c.cfg.timeout
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(timeout, func() { cancel(errNoAnswer) })
	defer stalled.Stop()
	body := &exactReader{src: content, left: size, moved: func() { stalled.Reset(timeout) }}
	defer body.stop()

	var sent reach
	req, err := http.NewRequestWithContext(sent.trace(ctx), http.MethodPut, to.String(), body)
	if err != nil {
		return &TransportError{Operation: opPut, Err: presentable(withoutURL(err), redact), unsent: true}
	}
	req.GetBody = nil // net/http must not repeat it by itself
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("User-Agent", c.cfg.userAgent)
	client := c.far
	if sameOrigin(c.base, to) {
		client = c.near
	}
	resp, err := client.Do(req)
	if err == nil {
		defer resp.Body.Close()
	}
	if bad := body.stop(); bad != nil {
		// Whatever the server makes of it: it never got the whole.
		return noEffect(errtext.Errorf("duvo: %s: %w", opPut, bad))
	}
	switch {
	case errors.Is(err, errNotPublic):
		return badBody(opUploadURL, errNotPublic, false)
	case err != nil:
		return &TransportError{Operation: opPut, Err: explain(withoutURL(err), caller, ctx, timeout, redact), unsent: sent.nowhere() || neverSent(err)}
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return nil
	}
	told, _ := readBody(resp, 64<<10)
	return putError(resp, told, redact)
}

// putError classifies a refusal. Stores answer with documents of their own,
// which may repeat what was signed: of those only the code is kept.
func putError(resp *http.Response, body []byte, redact func(string) string) *APIError {
	var doc struct {
		Code string `xml:"Code"`
	}
	known := json.Valid(body)
	if !known && xml.Unmarshal(body, &doc) != nil {
		doc.Code = ""
	}
	if !known {
		body = nil
	}
	e := apiError(opPut, resp.StatusCode, resp.Header, body, redact)
	switch {
	case resp.StatusCode < 400:
		e.Message = "redirects of an upload are not followed"
	case doc.Code != "":
		e.Code = safetext.OneLine(redact(doc.Code), maxErrorCode)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		e.kind = ErrForbidden // it is not the key that was refused
	}
	return e
}

// checkUploadURL reads a URL that a server wants a file to be sent to, and
// refuses one that could do harm.
func checkUploadURL(base *url.URL, s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || len(s) > 8<<10: // err would repeat the URL
		return nil, errors.New("the upload URL cannot be parsed")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("the upload URL has no host")
	case u.User != nil:
		return nil, errors.New("the upload URL has a user")
	case u.Scheme == "http" && loopback(base.Hostname()) && loopback(u.Hostname()):
	case u.Scheme != "https":
		return nil, fmt.Errorf("the upload URL is not https, but %s to %s", safetext.OneLine(u.Scheme, 20), safetext.OneLine(u.Host, 100))
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// sameOrigin reports whether two URLs lead to the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// withoutURL takes off what net/http puts around an error: the URL, which may
// hold a signature.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) && u.Err != nil {
		return u.Err
	}
	return err
}

// hider returns a function that takes an upload URL, and what is secret in it,
// out of a text.
func hider(u *url.URL, redact func(string) string) func(string) string {
	secrets := []string{u.String(), u.RequestURI(), u.RawQuery}
	for _, values := range u.Query() {
		for _, v := range values {
			if len(v) >= 8 {
				secrets = append(secrets, v, url.QueryEscape(v))
			}
		}
	}
	return func(s string) string {
		s = redact(s)
		for _, secret := range secrets {
			if len(secret) >= 8 {
				s = strings.ReplaceAll(s, secret, "[redacted]")
			}
		}
		return s
	}
}
