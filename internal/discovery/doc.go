// Package discovery keeps what a registry offers up to date: it reads the catalog at
// first, again when it is asked to or in the background, and tells what changed.
//
// discovery.go reads within a context, one at a time; refresh.go compares and tells;
// later.go is for what could not be discovered at first.
package discovery
