package engine

import (
	"errors"
	"strings"

	"github.com/duvotool/duvotool/duvo"
)

// hide takes the token of the webhook's URL out of a start's error, which may
// repeat what was sent: who knows the token can make deliveries for the Job. The
// error is otherwise as it was.
func hide(err error, webhook string) error {
	token := tokenOf(webhook)
	if err == nil || token == "" {
		return err
	}
	without := func(text string) string { return withoutSecret(text, token) }
	text := err.Error()
	var api *duvo.APIError
	if without(text) == text && (!errors.As(err, &api) || without(api.Message) == api.Message) {
		return err
	}
	return &hiddenError{without(text), err, without}
}

// shownOfSecret is how many letters of a secret a text that was cut may show.
const shownOfSecret = 5

func withoutSecret(text, secret string) string {
	for n := len(secret); n > shownOfSecret; n-- { // a text may have been cut within it
		text = strings.ReplaceAll(text, secret[:n], "[redacted]")
	}
	return text
}

// A hiddenError is another error without a secret in its text. It matches what that
// matches, and has no Unwrap, which would lead to the secret.
type hiddenError struct {
	text string
	err  error
	hide func(string) string
}

func (e *hiddenError) Error() string { return e.text }

func (e *hiddenError) Is(target error) bool { return errors.Is(e.err, target) }

func (e *hiddenError) As(target any) bool {
	if !errors.As(e.err, target) {
		return false
	}
	switch found := target.(type) {
	case **duvo.APIError:
		c := **found
		c.Code, c.Message = e.hide(c.Code), e.hide(c.Message)
		*found = &c
	case **duvo.TransportError:
		c := **found
		if c.Err != nil {
			c.Err = &hiddenError{e.hide(c.Err.Error()), c.Err, e.hide}
		}
		*found = &c
	}
	return true
}
