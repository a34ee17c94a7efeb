package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPgBouncer is a machine on which PgBouncer is not installed.
var ErrNoPgBouncer = errors.New("postgrestest: pgbouncer is in no folder of PATH: install Debian's package pgbouncer")

// A PgBouncer is a pooler in front of a [Server], in transaction mode: each transaction
// goes to whichever of its few connections is free.
type PgBouncer struct{ running *process }

// configuration has few connections, so that transactions do come to others.
const configuration = `[databases]
* = host=%[1]s port=5432
[pgbouncer]
unix_socket_dir = %[1]s
listen_addr =
listen_port = 6432
auth_type = trust
auth_file = %[1]s/pgbouncer.users
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
server_round_robin = 1
`

// StartPgBouncer starts a pooler in front of the server.
func (s *Server) StartPgBouncer(ctx context.Context) (*PgBouncer, error) {
	folder, err := find("pgbouncer")
	if err == ErrMissing {
		return nil, ErrNoPgBouncer
	}
	file := filepath.Join(s.dir, "pgbouncer.ini")
	if err := errors.Join(err,
		os.WriteFile(file, fmt.Appendf(nil, configuration, s.dir), 0o644),
		os.WriteFile(filepath.Join(s.dir, "pgbouncer.users"), []byte("\"postgres\" \"\"\n"), 0o644)); err != nil {
		return nil, fmt.Errorf("postgrestest: %w", err)
	}
	p, err := start(s.dir, filepath.Join(folder, "pgbouncer"), file)
	if err != nil {
		return nil, err
	}
	b := &PgBouncer{p}
	for {
		conn, err := pgx.Connect(ctx, b.Through(s.ConnString()))
		if err == nil {
			return b, conn.Close(ctx)
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("postgrestest: PgBouncer ended: %s", p.log())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("postgrestest: PgBouncer is not ready: %w: %s", err, p.log()), b.Stop())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Through returns a connection string of the server's that leads through the pooler.
func (b *PgBouncer) Through(connString string) string {
	return strings.Replace(connString, " port=5432 ", " port=6432 ", 1)
}

// Stop ends the pooler.
func (b *PgBouncer) Stop() error { return b.running.end("TERM") }
