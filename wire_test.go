package duvotool_test

import "net/http"

// wireFunc is a function as a transport.
type wireFunc func(*http.Request) (*http.Response, error)

func (f wireFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
