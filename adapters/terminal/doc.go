// Package terminal asks a person at a terminal how a waiting Job is to be
// answered.
//
//	screen := terminal.NewScreen(os.Stderr) // for the program's own lines too
//	operator, err := terminal.New(os.Stdin, screen, "ops@example.com")
//	...
//	duvotool.Discover(ctx, client,
//		duvotool.WithPolicy(operator),
//		duvotool.WithObserver(func(e outcome.Event) { fmt.Fprintln(screen, e) }))
//
// # What counts as an answer
//
// An answer is for the request that is on the screen: what was typed before it
// was shown decides nothing. On a terminal (so far where the program runs on
// Linux) what waits in the terminal's own input queue is thrown away once the
// request has been on the screen for a moment, just before the prompt. Of a pipe
// and any other reader nobody can tell when a byte was written. There, yes and no
// count only with the short code that the prompt shows, which is drawn anew for
// each request:
//
//	Approve? [yes 4F2K/no 4F2K]
//
// The code is asked for on a terminal too where a plain word could be meant for
// something else, because another request was answered or went away just before,
// and for saying yes to a text that is too long to be shown whole, unless the
// person has paged through all of it, each page after a moment on the screen.
// Questions are answered by the same rules, by an option's number or its label;
// what is both, of two options, is asked for again.
//
// The end of the input, an unfinished line and what is no answer decide nothing.
//
// A request is wrapped to the width of the terminal, 80 columns where that is not known,
// so that nothing of its text begins at the margin, where it could be taken for the
// program's own words.
package terminal
