// Refund-shop is a program that refunds an order by package refunds: it knows of that
// package, and of nothing behind it.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/duvotool/duvotool/examples/refunds"
	"github.com/duvotool/duvotool/examples/refunds/refundstest"
	"github.com/duvotool/duvotool/internal/textwrap"
	"github.com/duvotool/duvotool/internal/usage"
)

// later is the exit code where the same command tells more later.
const later = 3

var help = usage.Text{
	Does: "Refunds an order, once, however often it is called or killed.",
	Call: "[flags] ORDER EUROS",
	About: `Up to -up-to EUR are paid at once. About more you are asked: type the order's
number to pay. Without DUVO_API_KEY a shop inside this process pays, whose folder is
removed at the end.`,
	Args: true,
	Env: append(usage.Duvo("without it a shop inside this process pays"),
		usage.Entry{Name: "REFUNDS_ASSIGNMENT", Means: "the ID of the Assignment that refunds; needed with DUVO_API_KEY"},
		usage.Entry{Name: "USER", Means: "who you are, as it is recorded with what you decide"}),
	Exit: []usage.Entry{
		{Name: "0", Means: "it is paid, now or before; the receipt is printed"},
		{Name: "1", Means: "it is not paid, or a person must look whether it is"},
		{Name: "3", Means: "not decided or not finished: call it again"},
	},
	Examples: []string{"refund-shop 4711 20", "refund-shop -folder refunds 4712 120"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := program(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func program(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	fs := flag.NewFlagSet("refund-shop", flag.ContinueOnError)
	folder := fs.String("folder", "refund-shop-data", "the `FOLDER` that remembers what was paid, with DUVO_API_KEY")
	upTo := fs.Int64("up-to", 50, "how many `EUR` are paid without asking you")
	poll := fs.Duration("poll", 0, "how often Duvo is asked how it stands; 0 is by its age, from 5s")
	if code, done := help.Parse(fs, args, out, errs); done {
		return code
	}
	cents, ok := inCents(fs.Arg(1))
	if fs.NArg() != 2 || !ok || *upTo < 0 || *poll < 0 {
		return usage.Complain(fs.Name(), errors.New("an order's number and an amount are needed, such as 4711 20, and -up-to and -poll cannot be negative"), errs)
	}
	c := refunds.Config{Folder: *folder, Assignment: os.Getenv("REFUNDS_ASSIGNMENT")}
	c.Poll = *poll
	if os.Getenv("DUVO_API_KEY") == "" {
		shop := refundstest.New()
		defer shop.Close()
		dir, err := os.MkdirTemp("", "refund-shop-")
		if err != nil {
			return complain(errs, err)
		}
		defer os.RemoveAll(dir)
		c = shop.Config(dir)
	}
	c.UpTo, c.Ask = *upTo*100, ask(in, out, fs.Arg(0))
	c.Log = slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelError}))
	desk, err := refunds.Open(ctx, c)
	if err != nil {
		return complain(errs, err)
	}
	defer desk.Close()
	receipt, err := desk.Refund(ctx, fs.Arg(0), cents)
	if err != nil {
		return complain(errs, err)
	}
	fmt.Fprintf(out, "Order %s: %d.%02d EUR refunded, payment %s\n", receipt.Order, receipt.Cents/100, receipt.Cents%100, receipt.Number)
	return usage.OK
}

var amounts = regexp.MustCompile(`\A([0-9]{1,6})(?:\.([0-9]{2}))?\z`)

// inCents reads an amount such as 20 or 20.50.
func inCents(text string) (cents int64, ok bool) {
	m := amounts.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	cents, err := strconv.ParseInt(m[1]+(m[2] + "00")[:2], 10, 64)
	return cents, err == nil
}

func complain(errs io.Writer, err error) int {
	fmt.Fprintln(errs, "refund-shop:", err)
	if errors.Is(err, refunds.ErrWaiting) || errors.Is(err, refunds.ErrUnfinished) {
		return later
	}
	return usage.Failed
}

// ask asks who sits there. What counts is the order's number: a yes may have been typed
// for something else.
func ask(in io.Reader, out io.Writer, order string) func(context.Context, string) (string, bool, error) {
	return func(ctx context.Context, text string) (string, bool, error) {
		fmt.Fprintf(out, "%sType the order's number to pay, anything else not to: ", textwrap.Text(text, usage.Columns))
		typed := make(chan string, 1)
		go func() {
			defer close(typed)
			if line, err := bufio.NewReader(in).ReadString('\n'); err == nil {
				typed <- strings.TrimSpace(line)
			}
		}()
		select {
		case line, ok := <-typed:
			if !ok {
				return "", false, errors.New("nobody has typed anything")
			}
			return cmp.Or(os.Getenv("USER"), "the person at the terminal"), line == order, nil
		case <-ctx.Done():
			return "", false, context.Cause(ctx)
		}
	}
}
