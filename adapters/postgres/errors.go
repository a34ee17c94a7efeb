package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// What the errors of [Open], [New] and [Migrate] may match.
var (
	// ErrNewer is a schema that a newer release of this package made.
	ErrNewer = errors.New("postgres: the journal's tables are of a newer release")

	// ErrNotMigrated is a schema that is missing or of an older release, where
	// [WithoutMigrations] was given.
	ErrNotMigrated = errors.New("postgres: the journal's tables are missing or of an older release; see Migrate")

	// ErrNotDurable is a server that says that something was stored before it is on
	// disk.
	ErrNotDurable = errors.New("postgres: the server may lose what it has taken")
)

// errReadOnly is a server that is a standby, or was made read only.
var errReadOnly = &pgconn.PgError{Severity: "ERROR", Code: "25006", Message: "the server takes no writes now"}

// errContended is a key that other replicas took each time that it was free.
var errContended = &pgconn.PgError{Severity: "ERROR", Code: "55P03", Message: "other replicas took the key again and again"}

// errTimeout is why a statement is given up that got no answer.
var errTimeout = errors.New("no answer in time")

// passing are the SQLSTATEs of failures that may pass by themselves, and the classes
// that are such whole.
var passing = []string{
	"08",                      // connections
	"53",                      // a full disk, memory, too many connections
	"57P01", "57P02", "57P03", // the server ends, has crashed, or starts
	"57014",                   // a statement that was given up, by a time limit of the server's say
	"40001", "40P01", "55P03", // others at the same rows
	"25006",                   // read only: a standby, while another takes its place
	"25P02", "25P03", "57P05", // a transaction, or a connection, that was idle
	"58030", // input and output
}

// passes tells whether a failure may pass by itself.
func passes(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return len(pg.Code) == 5 && (slices.Contains(passing, pg.Code) || slices.Contains(passing, pg.Code[:2]))
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	for _, target := range []any{&unknown, &host, &invalid, &verification, &record, &alert} {
		if errors.As(err, target) {
			return false
		}
	}
	// Whatever else pgx returns is of the connection: refused, reset, closed, without an
	// answer.
	return true
}

// failed says what a call of pgx came to. It holds nothing of how one connects: pgx's
// own errors hold the configuration, with the password in it.
func failed(ctx context.Context, what string, err error) error {
	switch {
	case err == nil || errors.Is(err, ErrNewer) || errors.Is(err, ErrNotMigrated) || errors.Is(err, ErrNotDurable):
		return err
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTimeout):
		return errtext.Errorf("postgres: %s: %w", what, context.Cause(ctx))
	case errors.Is(err, puddle.ErrClosedPool):
		return fmt.Errorf("postgres: %s: the journal: %w", what, os.ErrClosed)
	}
	passes := passes(err)
	if ctx.Err() != nil {
		err = errTimeout
	}
	if !passes {
		return errtext.Errorf("postgres: %s: %w", what, plain(err))
	}
	return errtext.Errorf("%w: postgres: %s: %w", journal.ErrUnavailable, what, plain(err))
}

// plain leaves of an error what the server, or the network, said.
func plain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "26000", "42P05": // prepared statements that are another connection's
			return fmt.Errorf("%w: through PgBouncer in transaction mode give default_query_exec_mode=cache_describe", pg)
		case "42501":
			return fmt.Errorf("%w: see the permissions that package postgres needs", pg)
		}
		return pg
	}
	for {
		var connect *pgconn.ConnectError
		var parse *pgconn.ParseConfigError
		switch {
		case errors.As(err, &parse):
			return errNotParsed
		case errors.As(err, &connect):
			err = connect.Unwrap()
			continue
		}
		return errors.New(err.Error()) // without what it wraps
	}
}

var errNotParsed = errors.New("the connection string, or a service or password file that it names, cannot be read; the reason is not told, since it could hold the password")
