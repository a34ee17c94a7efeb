package main

import (
	"context"
	"errors"

	"github.com/duvotool/duvotool/journal"
)

var errNoPostgres = errors.New("replicas cannot share a database yet")

func openShared(context.Context, string) (journal.Leases, func() error, error) {
	return nil, nil, errNoPostgres
}

func (h *harness) startPostgres() (stop func(), err error) { return nil, errNoPostgres }
