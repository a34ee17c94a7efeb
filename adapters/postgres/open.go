package postgres

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A Journal is a [journal.Leases] and a [journal.Prober] in a Postgres database. All its
// methods may be called at once. Times come back in UTC, empty data as an empty slice.
type Journal struct {
	pool    *pgxpool.Pool
	owns    bool // the pool
	mode    pgx.QueryExecMode
	timeout time.Duration
	sql     statements
	listens func() (*pgx.ConnConfig, error)
	direct  bool   // listens was given by the user
	channel string // of notifications

	closed  context.Context // ends with the journal
	close   context.CancelCauseFunc
	failing atomic.Bool // a write failed, and none was done since
	renewed sync.Map    // the owners that were renewed here, and have not released all: whether the last renewal was answered
}

var (
	_ journal.Leases = (*Journal)(nil)
	_ journal.Prober = (*Journal)(nil)
)

// An Option of [Open], [New] and [Migrate].
type Option func(*config)

type config struct {
	names      names
	listen     string
	timeout    time.Duration
	unmigrated bool
	loss       bool
}

// WithPrefix has the tables' names begin with this; without it "duvotool_". Journals
// with other prefixes share a database without touching one another.
func WithPrefix(prefix string) Option { return func(c *config) { c.names.prefix = prefix } }

// WithSchema says in which schema the tables are, and are made; it must be there.
// Without it the search path of the connection decides.
func WithSchema(schema string) Option { return func(c *config) { c.names.schema = schema } }

// WithListen gives the connection on which [Journal.Listen] waits another connection
// string: one that leads to the server itself, where the pool's goes through PgBouncer.
func WithListen(connString string) Option { return func(c *config) { c.listen = connString } }

// WithTimeout says for how long a statement may get no answer, waiting for a connection
// of the pool included; without it 30 s. Then the call fails with an error that matches
// [journal.ErrUnavailable]. A context that ends earlier ends it earlier.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// WithoutMigrations has [Open] and [New] change no table: where they are missing or
// older, the error matches [ErrNotMigrated].
func WithoutMigrations() Option { return func(c *config) { c.unmigrated = true } }

// AcceptLoss opens a journal on a server that may lose what it has taken when it
// crashes: with fsync or synchronous_commit off. It is for tests.
func AcceptLoss() Option { return func(c *config) { c.loss = true } }

func configured(opts []Option) (config, error) {
	c := config{names: names{prefix: "duvotool_"}, timeout: 30 * time.Second}
	for _, o := range opts {
		o(&c)
	}
	if c.timeout <= 0 {
		return c, fmt.Errorf("postgres: a timeout of %v", c.timeout)
	}
	if c.listen != "" {
		if _, err := pgx.ParseConfig(c.listen); err != nil {
			return c, fmt.Errorf("postgres: WithListen: %w", errNotParsed)
		}
	}
	return c, c.names.check()
}

// Open opens the journal in the database of a connection string, as pgx reads it: a URL
// or "host=... dbname=...", with the pool's settings (pool_max_conns=16) and those of TLS
// (sslmode=verify-full) in it, and what PGHOST and the like say besides. Missing tables
// are made, and older ones brought up to date.
func Open(ctx context.Context, connString string, opts ...Option) (*Journal, error) {
	pool, err := connect(ctx, connString)
	if err != nil {
		return nil, err
	}
	j, err := New(ctx, pool, opts...)
	if err != nil {
		pool.Close()
		return nil, err
	}
	j.owns = true
	return j, nil
}

func connect(ctx context.Context, connString string) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(connString)
	if err != nil {
		return nil, fmt.Errorf("postgres: opening the journal: %w", errNotParsed)
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	return pool, failed(ctx, "opening the journal", err)
}

// New opens the journal through a pool, which stays the caller's: [Journal.Close] does
// not close it.
func New(ctx context.Context, pool *pgxpool.Pool, opts ...Option) (*Journal, error) {
	c, err := configured(opts)
	if err != nil {
		return nil, err
	}
	j := &Journal{pool: pool, timeout: c.timeout, sql: c.names.statements(), direct: c.listen != ""}
	j.closed, j.close = context.WithCancelCause(context.Background())
	j.listens = func() (*pgx.ConnConfig, error) {
		if c.listen != "" {
			return pgx.ParseConfig(c.listen)
		}
		return pool.Config().ConnConfig, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	if j.mode, err = modeOf(ctx, pool); err == nil {
		err = j.look(ctx, c)
	}
	if err != nil {
		return nil, failed(ctx, "opening the journal", err)
	}
	return j, nil
}

// Migrate makes the tables, or brings them up to date, and does nothing where they are
// so already. It is for those whose programs run with a role that may not: run it with
// one that may, before the new release, and open the journal with [WithoutMigrations].
func Migrate(ctx context.Context, connString string, opts ...Option) error {
	c, err := configured(opts)
	if err != nil {
		return err
	}
	pool, err := connect(ctx, connString)
	if err != nil {
		return err
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	mode, err := modeOf(ctx, pool)
	if err == nil {
		err = c.names.bring(ctx, pool, mode)
	}
	return failed(ctx, "migrating the journal", err)
}

// bring brings the schema up to date, if it is not.
func (n names) bring(ctx context.Context, pool *pgxpool.Pool, mode pgx.QueryExecMode) error {
	v, err := n.version(ctx, pool, mode)
	switch {
	case err != nil:
		return err
	case v > newest:
		return newer(v)
	case v == newest:
		return nil
	}
	return n.migrate(ctx, pool, mode)
}

// modeOf returns how statements are run: as the pool does, but where there is a pooler
// between and the pool prepares statements by name, which another one's connection may
// have, without names. A pooler shows by the number of the server's process, which is
// not the one that it gave its client.
func modeOf(ctx context.Context, pool *pgxpool.Pool) (pgx.QueryExecMode, error) {
	c := pool.Config().ConnConfig
	if c.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return c.DefaultQueryExecMode, nil
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	pooled, err := throughPooler(ctx, conn.Conn())
	switch {
	case err != nil:
		return 0, err
	case !pooled && c.StatementCacheCapacity > 0:
		return pgx.QueryExecModeCacheStatement, nil
	case c.DescriptionCacheCapacity > 0:
		return pgx.QueryExecModeCacheDescribe, nil
	}
	return pgx.QueryExecModeExec, nil
}

func throughPooler(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
	return pid != conn.PgConn().PID(), err
}

// look looks at what is in the database.
func (j *Journal) look(ctx context.Context, c config) error {
	var fsync, commits string
	if err := j.pool.QueryRow(ctx, "SELECT current_setting('fsync'), current_setting('synchronous_commit')", j.mode).Scan(&fsync, &commits); err != nil {
		return err
	}
	if !c.loss && (fsync == "off" || commits == "off") {
		return fmt.Errorf("%w: fsync is %s, synchronous_commit is %s", ErrNotDurable, fsync, commits)
	}
	if c.unmigrated {
		switch v, err := c.names.version(ctx, j.pool, j.mode); {
		case err != nil:
			return err
		case v > newest:
			return newer(v)
		case v < newest:
			return fmt.Errorf("%w: version %d, and this release works with %d", ErrNotMigrated, v, newest)
		}
	} else if err := c.names.bring(ctx, j.pool, j.mode); err != nil {
		return err
	}
	return j.pool.QueryRow(ctx, "SELECT 'duvotool_' || $1::text::regclass::oid::text", j.mode, c.names.quoted("records")).Scan(&j.channel)
}

// Close ends [Journal.Listen], waits for the calls that are under way, each as long as
// [WithTimeout] says at most, and closes the pool, if [Open] made it. Calls after it fail
// with an error that matches [os.ErrClosed]; closing again does nothing.
func (j *Journal) Close() error {
	j.close(errtext.Errorf("postgres: the journal: %w", os.ErrClosed))
	if j.owns {
		j.pool.Close()
	}
	return nil
}

// begin begins a call: it fails where the caller's context, or the journal, has ended.
func (j *Journal) begin(ctx context.Context, what string) (context.Context, context.CancelFunc, error) {
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if err := j.closed.Err(); err != nil {
		return nil, nil, errtext.Errorf("postgres: %s: %w", what, context.Cause(j.closed))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, j.timeout, errTimeout)
	return ctx, cancel, nil
}
