package usage

import (
	"bytes"
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPrint(t *testing.T) {
	fs := flag.NewFlagSet("prog", flag.ContinueOnError)
	fs.Duration("wait", 90*time.Minute, "how long it waits")
	fs.String("file", "", "the `FILE` to read")
	fs.Bool("v", false, "say more")
	fs.Int("n", 0, "how many; 0: all")
	fs.Func("only", "these `IDS`, comma-separated, and a text that is so long that it does not fit into one line", func(string) error { return nil })
	var out bytes.Buffer
	help := Text{Does: "Does it.", About: "One\nparagraph.\n\nAnother.", Env: []Entry{{"A", "a"}}, Exit: []Entry{{"0", "good"}, {"3", "half"}}, Examples: []string{"prog -v"}}
	code, done := help.Parse(fs, []string{"-h"}, &out, nil)
	require.True(t, done)
	require.Zero(t, code)
	require.Equal(t, `Does it.

Usage:
  prog [flags]

One paragraph.

Another.

Flags:
  -file FILE
      the FILE to read (default: none)
  -n int
      how many; 0: all
  -only IDS
      these IDS, comma-separated, and a text that is so long that it does not
      fit into one line (default: none)
  -v
      say more
  -wait DURATION
      how long it waits (default 1h30m)
  -h
      print this, and end
A DURATION is written with its unit: 500ms, 90s, 15m, 2h.

Environment:
  A  a

Exit codes:
  0  good
  2  it was called wrongly, and has done nothing
  3  half

Examples:
  prog -v
`, out.String())
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args []string
		text Text
		code int
		done bool
		says string
	}{
		{[]string{"-n", "3"}, Text{}, 0, false, ""},
		{[]string{"-n", "3", "x"}, Text{Args: true}, 0, false, ""},
		{[]string{"x"}, Text{}, Wrong, true, "prog: unexpected argument \"x\"\nprog -h tells how it is called.\n"},
		{[]string{"-x"}, Text{}, Wrong, true, "prog: flag provided but not defined: -x\nprog -h tells how it is called.\n"},
		{[]string{"-n", "x"}, Text{}, Wrong, true, "prog: invalid value \"x\" for flag -n: it takes a whole number\nprog -h tells how it is called.\n"},
		{[]string{"-list-wait", "5"}, Text{}, Wrong, true, "prog: invalid value \"5\" for flag -list-wait: a duration has its unit, such as\n  500ms, 90s or 15m\nprog -h tells how it is called.\n"},
		{[]string{"-n", "99999999999999999999"}, Text{}, Wrong, true, "prog: invalid value \"99999999999999999999\" for flag -n: value out of range\nprog -h tells how it is called.\n"},
	} {
		fs := flag.NewFlagSet("prog", flag.ContinueOnError)
		fs.Int("n", 0, "how many")
		fs.Duration("list-wait", 0, "how long")
		var out, errs bytes.Buffer
		code, done := c.text.Parse(fs, c.args, &out, &errs)
		require.Equal(t, c.code, code)
		require.Equal(t, c.done, done)
		require.Equal(t, c.says, errs.String())
		require.Empty(t, out.String())
	}
	var errs bytes.Buffer
	require.Equal(t, Wrong, Complain("prog", errors.New("no\nway"), &errs))
	require.Equal(t, "prog: no way\nprog -h tells how it is called.\n", errs.String())
}
