// Package search finds short documents by words in people's language: a plain
// BM25 over weighted fields, in memory, for catalogs of up to some ten thousand
// entries.
//
// A word of the query matches the same word, its other forms (invoices,
// invoicing), with less weight what commonly means the same (bill), and, only
// where none of these is anywhere in the index, what it begins, contains or
// misspells.
package search
