package duvo

import (
	"context"
	"errors"
	"strings"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/safetext"
	"golang.org/x/oauth2"
)

func (c *Client) token() (string, error) {
	if c.cfg.tokens == nil {
		return c.cfg.apiKey(), nil
	}
	t, err := c.cfg.tokens.Token()
	if err != nil {
		return "", err
	}
	if t == nil || t.AccessToken == "" || !printable(t.AccessToken) {
		return "", errBadToken
	}
	return t.AccessToken, nil
}

var errBadToken = errors.New("it gave no token that can be sent")

// tokenError is a failure of the token source: for good where the issuer
// refused, or the source says so by ErrUnauthorized, else to be tried again. Only the text of the cause is kept, since
// the cause may hold more than it tells.
func (c *Client) tokenError(op string, err error) error {
	text := errors.New("token source: " + safetext.OneLine(c.redactor("")(err.Error()), maxTransportText))
	temporary := !errors.Is(err, errBadToken) && !errors.Is(err, ErrUnauthorized)
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		temporary = Temporary(kindOf(refused.Response.StatusCode))
	}
	if temporary {
		return &TransportError{Operation: op, Err: text, unsent: true}
	}
	return noEffect(errtext.Errorf("duvo: %s: %w (%w)", op, text, ErrUnauthorized))
}

// redactor returns a function that takes the key and the token out of a text.
func (c *Client) redactor(token string) func(string) string {
	return func(s string) string {
		if c.cfg.apiKey != nil {
			s = strings.ReplaceAll(s, c.cfg.apiKey(), "[redacted]")
		}
		if token != "" {
			s = strings.ReplaceAll(s, token, "[redacted]")
		}
		return s
	}
}

const maxTransportText = 512 // characters of the text of a failure on the way

// presentable keeps an error as it is, unless its text holds a secret, is
// endless or is not safe to print: a server's bytes may stand in it.
func presentable(err error, redact func(string) string) error {
	s := err.Error()
	clean := redact(s)
	text := safetext.OneLine(clean, maxTransportText)
	switch {
	case text == s:
		return err
	case clean == s:
		return &rewordedError{text, err}
	}
	// What holds a secret is left behind; why a context ended is not.
	for _, e := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return &rewordedError{text, e}
		}
	}
	return errors.New(text)
}

// A rewordedError is an error with a text that is fit to be shown.
type rewordedError struct {
	text string
	err  error
}

func (e *rewordedError) Error() string { return e.text }

func (e *rewordedError) Unwrap() error { return e.err }
