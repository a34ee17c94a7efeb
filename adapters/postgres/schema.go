package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// migrations bring the schema from each version to the next. A schema that was made once
// is only ever changed by another one at the end.
var migrations = [][]string{{
	`CREATE SEQUENCE {terms}`,
	`CREATE TABLE {owners} (
		name   text COLLATE "C" PRIMARY KEY,
		until  timestamptz NOT NULL,
		lapsed boolean)`,
	// No index, nor its condition, names what every Put changes: then Postgres need not
	// touch the indexes (a HOT update).
	`CREATE TABLE {records} (
		key         text COLLATE "C" PRIMARY KEY,
		revision    bigint NOT NULL DEFAULT 0,
		done        boolean NOT NULL DEFAULT false,
		at_seconds  bigint NOT NULL DEFAULT 0,
		at_nanos    integer NOT NULL DEFAULT 0,
		stage       text COLLATE "C" NOT NULL DEFAULT '',
		since_seconds bigint,
		since_nanos   integer,
		put_term    bigint NOT NULL DEFAULT 0,
		data        bytea NOT NULL DEFAULT '',
		recorded    boolean NOT NULL DEFAULT false,
		done_seconds bigint,
		done_nanos  integer,
		owner       text COLLATE "C" NOT NULL DEFAULT '',
		term        bigint NOT NULL DEFAULT 0,
		owned_at    timestamptz NOT NULL DEFAULT clock_timestamp())`,
	`CREATE INDEX {prefix}records_unfinished ON {records} (key) WHERE NOT done AND recorded`,
	`CREATE INDEX {prefix}records_done ON {records} (done_seconds, done_nanos) WHERE done`,
	`CREATE INDEX {prefix}records_owned ON {records} (owner, key) WHERE owner <> ''`,
	`CREATE INDEX {prefix}records_adrift ON {records} (key) WHERE ` + adrift + ` AND owner = ''`,
	`CREATE INDEX {prefix}records_keys ON {records} (owned_at) WHERE NOT recorded`,
}}

// versionTable has one row, once a migration has ended.
const versionTable = `CREATE TABLE IF NOT EXISTS {version} (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	probe   bytea)`

// newest is the version of the schema that this release works with.
var newest = len(migrations)

// A querier is a pool, or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// version returns the version of the schema that is there; 0: there is none.
func (n names) version(ctx context.Context, q querier, mode pgx.QueryExecMode) (int, error) {
	var there bool
	if err := q.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", mode, n.quoted("version")).Scan(&there); err != nil || !there {
		return 0, err
	}
	return n.written(ctx, q, mode)
}

// written returns the version that the version table tells.
func (n names) written(ctx context.Context, q querier, mode pgx.QueryExecMode) (v int, err error) {
	err = q.QueryRow(ctx, n.fill("SELECT coalesce(max(version), 0) FROM {version}"), mode).Scan(&v)
	return v, err
}

// migrate brings the schema to the newest version, in one transaction; others that want
// the same wait meanwhile.
func (n names) migrate(ctx context.Context, pool *pgxpool.Pool, mode pgx.QueryExecMode) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", mode, "duvotool: "+n.quoted("version")); err != nil {
			return err
		}
		// That another one made it meanwhile is noticed by this statement, and not by
		// looking for the name: a connection remembers that there was none.
		if _, err := tx.Exec(ctx, n.fill(versionTable), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		v, err := n.written(ctx, tx, mode)
		switch {
		case err != nil || v == newest:
			return err
		case v > newest:
			return newer(v)
		}
		for _, m := range migrations[v:] {
			for _, s := range m {
				if _, err := tx.Exec(ctx, n.fill(s), pgx.QueryExecModeSimpleProtocol); err != nil {
					return err
				}
			}
		}
		_, err = tx.Exec(ctx, n.fill("INSERT INTO {version} (version) VALUES ($1) ON CONFLICT (one) DO UPDATE SET version = excluded.version"), mode, newest)
		return err
	})
}

// newer tells of a schema that this release must not touch.
func newer(v int) error {
	return fmt.Errorf("%w: version %d, and this release works with %d", ErrNewer, v, newest)
}
