package main

import (
	"context"
	"time"

	"github.com/duvotool/duvotool/adapters/postgres"
	"github.com/duvotool/duvotool/adapters/postgres/postgrestest"
	"github.com/duvotool/duvotool/journal"
)

// openShared opens the journal in a database.
func openShared(ctx context.Context, connString string) (journal.Leases, func() error, error) {
	j, err := postgres.Open(ctx, connString, postgres.WithTimeout(5*time.Second))
	if err != nil {
		return nil, nil, err
	}
	return j, j.Close, nil
}

// startPostgres starts a database server, with a journal in it.
func (h *harness) startPostgres() (stop func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := postgrestest.Start(ctx)
	if err != nil {
		return nil, err
	}
	h.database = server
	if h.dsn, err = server.NewDatabase(ctx); err == nil {
		var shut func() error
		if h.shared, shut, err = openShared(ctx, h.dsn); err == nil {
			return func() {
				_ = shut()
				_ = server.Stop()
			}, nil
		}
	}
	_ = server.Stop()
	return nil, err
}
