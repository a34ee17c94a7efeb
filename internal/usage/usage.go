// Package usage prints what -h of this project's programs says, in one form that fits
// into 80 columns: what the program does, how it is called, its flags with their
// defaults, the environment that it reads, how it ends, and examples.
package usage

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/textwrap"
)

// Columns is how wide a help text may be.
const Columns = 80

// Codes of every program. A [Text] says what others a program has.
const (
	OK     = 0
	Failed = 1
	Wrong  = 2 // it was called wrongly, and has done nothing
)

// A Text is what -h of a program says besides its flags.
type Text struct {
	Does     string   // what the program does, in one sentence of one line
	Call     string   // what stands behind the program's name; empty: "[flags]"
	About    string   // paragraphs, with an empty line between them; may be empty
	Env      []Entry  // environment variables that it reads
	Exit     []Entry  // exit codes beside 2; nil: 0 it went well, 1 it failed
	Examples []string // commands
	Args     bool     // it takes arguments behind the flags
}

// An Entry is a name and what it means.
type Entry struct{ Name, Means string }

// Duvo are the environment variables by which a program reaches Duvo. otherwise says
// what becomes without the first.
func Duvo(otherwise string) []Entry {
	return []Entry{
		{"DUVO_API_KEY", "the key of the Duvo to work with; " + otherwise},
		{"DUVO_TEAM_ID", "whose Assignments; needed where the key is good for several teams"},
		{"DUVO_API_BASE_URL", "where that Duvo is, if not at its usual address"},
	}
}

// Model are the environment variables that choose a model of the examples.
var Model = []Entry{
	{"OPENAI_API_KEY", "use a model of OpenAI's, OPENAI_MODEL at OPENAI_BASE_URL"},
	{"OLLAMA_HOST", "use a model of Ollama's, OLLAMA_MODEL; with neither an offline stand-in acts by a script"},
}

// Parse parses the arguments of a program. Where it returns done, the program is to end
// with this code: it was asked for help, which went to out, or was called wrongly, which
// was said on errs.
func (t Text) Parse(fs *flag.FlagSet, args []string, out, errs io.Writer) (code int, done bool) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		t.Print(out, fs)
		return OK, true
	case err == nil && fs.NArg() > 0 && !t.Args:
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case err != nil:
		err = plainer(fs, err)
	}
	if err != nil {
		return Complain(fs.Name(), err, errs), true
	}
	return 0, false
}

// plainer says what a flag takes where package flag says that it cannot parse it.
func plainer(fs *flag.FlagSet, err error) error {
	const of = " for flag -"
	said, cut := strings.CutSuffix(err.Error(), ": parse error")
	i := strings.LastIndex(said, of)
	if !cut || i < 0 {
		return err
	}
	f := fs.Lookup(said[i+len(of):])
	if f == nil {
		return err
	}
	g, ok := f.Value.(flag.Getter)
	if !ok {
		return err
	}
	switch g.Get().(type) {
	case time.Duration:
		return errors.New(said + ": a duration has its unit, such as 500ms, 90s or 15m")
	case int, int64, uint, uint64:
		return errors.New(said + ": it takes a whole number")
	}
	return err
}

// Complain says what is wrong with how a program was called, and returns [Wrong].
func Complain(program string, err error, errs io.Writer) int {
	fmt.Fprint(errs, textwrap.Hang("", "  ", fmt.Sprintf("%s: %s", program, strings.ReplaceAll(err.Error(), "\n", " ")), Columns),
		"\n", program, " -h tells how it is called.\n")
	return Wrong
}

// Print prints the help text of a program with these flags.
func (t Text) Print(w io.Writer, fs *flag.FlagSet) {
	var b bytes.Buffer
	fmt.Fprintln(&b, t.Does)
	call := t.Call
	if call == "" {
		call = "[flags]"
	}
	fmt.Fprintf(&b, "\nUsage:\n%s\n", textwrap.Hang("  ", "      ", fs.Name()+" "+call, Columns))
	if t.About != "" {
		b.WriteByte('\n')
		for i, paragraph := range strings.Split(t.About, "\n\n") {
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintln(&b, textwrap.Hang("", "", strings.Join(strings.Fields(paragraph), " "), Columns))
		}
	}
	flags(&b, fs)
	section(&b, "Environment", t.Env)
	exit := t.Exit
	if exit == nil {
		exit = []Entry{{"0", "it went well"}, {"1", "it failed; stderr says why"}}
	}
	exit = append([]Entry{{"2", "it was called wrongly, and has done nothing"}}, exit...)
	slices.SortFunc(exit, func(a, b Entry) int { return cmp.Or(len(a.Name)-len(b.Name), strings.Compare(a.Name, b.Name)) })
	section(&b, "Exit codes", exit)
	if len(t.Examples) > 0 {
		fmt.Fprintf(&b, "\nExamples:\n  %s\n", strings.Join(t.Examples, "\n  "))
	}
	_, _ = w.Write(b.Bytes())
}

func section(b *bytes.Buffer, title string, entries []Entry) {
	if len(entries) == 0 {
		return
	}
	widest := 0
	for _, e := range entries {
		widest = max(widest, len(e.Name))
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	for _, e := range entries {
		fmt.Fprintln(b, textwrap.Hang(fmt.Sprintf("  %-*s  ", widest, e.Name), strings.Repeat(" ", widest+4), e.Means, Columns))
	}
}

// flags prints each flag with what it takes, what it does and its default.
func flags(b *bytes.Buffer, fs *flag.FlagSet) {
	b.WriteString("\nFlags:\n")
	durations := false
	fs.VisitAll(func(f *flag.Flag) {
		takes, does := flag.UnquoteUsage(f)
		if g, ok := f.Value.(flag.Getter); ok {
			if _, is := g.Get().(time.Duration); is {
				takes, durations = "DURATION", true
			}
		}
		head := "  -" + f.Name
		if takes != "" {
			head += " " + takes
		}
		fmt.Fprintln(b, head)
		fmt.Fprintln(b, textwrap.Hang("      ", "      ", does+initially(f, takes), Columns))
	})
	b.WriteString("  -h\n      print this, and end\n")
	if durations {
		b.WriteString("A DURATION is written with its unit: 500ms, 90s, 15m, 2h.\n")
	}
}

// initially tells a flag's default, unless its text does.
func initially(f *flag.Flag, takes string) string {
	zero := f.DefValue == "" || f.DefValue == "0" || f.DefValue == "0s" || f.DefValue == "false"
	switch usage := strings.ToLower(f.Usage); {
	case takes == "": // a switch is off
		return ""
	case strings.Contains(usage, "default"), zero && (strings.Contains(usage, "empty") || strings.Contains(usage, "0:") || strings.Contains(usage, "0 is") || strings.Contains(usage, "needed") || strings.Contains(usage, "several times")):
		return ""
	case f.DefValue == "":
		return " (default: none)"
	}
	def := f.DefValue
	if g, ok := f.Value.(flag.Getter); ok {
		if d, is := g.Get().(time.Duration); is {
			def = short(d)
		}
	}
	return " (default " + def + ")"
}

// short writes a duration without parts that are zero.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
