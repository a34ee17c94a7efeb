// Package postgres keeps a registry's journal in a Postgres database.
package postgres
