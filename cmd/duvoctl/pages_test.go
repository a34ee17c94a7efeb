package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/internal/doccheck"
	"github.com/stretchr/testify/require"
)

// Whatever the repository's pages tell of duvoctl it takes: verbs, flags and arguments.
func TestThePagesCommands(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Skip("this is no clone of the repository: ", err)
	}
	names, err := doccheck.Pages(root)
	require.NoError(t, err)
	seen := 0
	for _, name := range names {
		p, err := doccheck.ReadPage(root, name)
		require.NoError(t, err)
		for _, c := range p.Commands() {
			if c.Words[0] == "duvoctl" {
				require.NoError(t, takes(c.Words[1:]), "%s: %s", c.Where, strings.Join(c.Words, " "))
				seen++
			}
		}
	}
	require.Greater(t, seen, 15)
	require.Error(t, takes([]string{"approove", "X"}))
	require.Error(t, takes([]string{"approve", "X", "--digset", "Y"}))
	require.Error(t, takes([]string{"approve"}))
}

// takes tells whether duvoctl takes a line, and does nothing with it.
func takes(words []string) error {
	root := newApp(nil, nil, nil).root()
	root.InitDefaultCompletionCmd(words...)
	root.InitDefaultVersionFlag()
	found, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	for _, w := range words {
		if w == "-h" || w == "--help" {
			return nil
		}
	}
	if err := found.ParseFlags(rest); err != nil || found.Args == nil {
		return err
	}
	return found.Args(found, found.Flags().Args())
}
