package refunds_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/examples/refunds"
	"github.com/duvotool/duvotool/examples/refunds/refundstest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, shop *refundstest.Shop, folder string, ask func(context.Context, string) (string, bool, error)) *refunds.Refunds {
	t.Helper()
	c := shop.Config(folder)
	c.UpTo, c.Ask = 5000, ask
	desk, err := refunds.Open(t.Context(), c)
	require.NoError(t, err)
	return desk
}

// What each call comes to, and what the shop has paid.
func TestRefund(t *testing.T) {
	shop := refundstest.New()
	defer shop.Close()
	asked := 0
	desk := open(t, shop, t.TempDir(), func(_ context.Context, text string) (string, bool, error) {
		asked++
		require.Contains(t, text, "Refund ")
		return "kim@example.com", !strings.Contains(text, "order 13"), nil
	})
	defer desk.Close()

	receipt, err := desk.Refund(t.Context(), "4711", 5000)
	require.NoError(t, err)
	require.Equal(t, refunds.Receipt{Order: "4711", Cents: 5000, Number: "P-4711"}, receipt)
	require.Zero(t, asked)
	again, err := desk.Refund(t.Context(), "4711", 5000)
	require.NoError(t, err)
	require.Equal(t, receipt, again)
	_, err = desk.Refund(t.Context(), "4711", 4000)
	require.ErrorIs(t, err, refunds.ErrOther)

	_, err = desk.Refund(t.Context(), "4712", 5001)
	require.NoError(t, err)
	_, err = desk.Refund(t.Context(), "13", 5001)
	require.ErrorIs(t, err, refunds.ErrNotRefunded)
	require.ErrorContains(t, err, "denied by kim@example.com")
	require.Equal(t, 2, asked)

	for _, bad := range []struct {
		order string
		cents int64
	}{{"", 1}, {"1 and all others", 1}, {"1", 0}, {"1", -5}} {
		_, err = desk.Refund(t.Context(), bad.order, bad.cents)
		require.ErrorIs(t, err, refunds.ErrInvalid)
	}
	require.Equal(t, []int64{5000}, shop.Paid("4711"))
	require.Equal(t, []int64{5001}, shop.Paid("4712"))
	require.Empty(t, shop.Paid("13"))
	require.Len(t, shop.Duvo().Jobs(), 3)
}

// Ten callers at once are one refund.
func TestAtOnce(t *testing.T) {
	shop := refundstest.New()
	defer shop.Close()
	desk := open(t, shop, t.TempDir(), nil)
	defer desk.Close()
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() {
			_, err := desk.Refund(t.Context(), "4711", 2000)
			if err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	require.Equal(t, []int64{2000}, shop.Paid("4711"))
	require.Equal(t, 1, shop.Duvo().Count("startRun"))
}

// Without anybody to ask it waits, over a restart too, and pays once a person has said
// yes in Duvo.
func TestWaits(t *testing.T) {
	shop := refundstest.New()
	defer shop.Close()
	folder, yes := t.TempDir(), true
	for i := range 2 {
		desk := open(t, shop, folder, nil)
		_, err := desk.Refund(t.Context(), "4711", 900_00)
		require.ErrorIs(t, err, refunds.ErrWaiting)
		if i == 1 {
			answer(t, shop, yes)
			receipt, err := desk.Refund(t.Context(), "4711", 900_00)
			for errors.Is(err, refunds.ErrWaiting) { // until it is read that it waits no more
				receipt, err = desk.Refund(t.Context(), "4711", 900_00)
			}
			require.NoError(t, err)
			require.Equal(t, "P-4711", receipt.Number)
		}
		require.NoError(t, desk.Close())
	}
	require.Equal(t, []int64{900_00}, shop.Paid("4711"))
	require.Zero(t, shop.Duvo().Count("respondToHumanRequest"), "of this program")
}

// A worker that says something else than what was called for is never paid by rule, and
// whose answer is about another order is no receipt.
func TestWorkersThatLie(t *testing.T) {
	for name, c := range map[string]struct {
		script func(j *duvotest.Job)
		want   error
	}{
		"another amount": {func(j *duvotest.Job) { j.AskApproval("Refund 900.00 EUR for order 4711", "") }, refunds.ErrWaiting},
		"another order":  {func(j *duvotest.Job) { j.AskApproval("Refund 20.00 EUR for order 1", "") }, refunds.ErrWaiting},
		"another receipt": {func(j *duvotest.Job) {
			j.Complete(`{"refunded":true,"order":"1","cents":2000,"number":"P"}`)
		}, refunds.ErrUnknown},
		"no receipt": {func(j *duvotest.Job) { j.Complete("All done!") }, refunds.ErrUnknown},
		"failed":     {func(j *duvotest.Job) { j.Fail("oops") }, refunds.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			shop := refundstest.New()
			defer shop.Close()
			require.NoError(t, shop.Duvo().UpdateAssignment(shop.Assignment(), func(a *duvotest.Assignment) { a.Script = c.script }))
			desk := open(t, shop, t.TempDir(), nil)
			defer desk.Close()
			_, err := desk.Refund(t.Context(), "4711", 2000)
			require.ErrorIs(t, err, c.want)
			require.Zero(t, shop.Duvo().Count("respondToHumanRequest"))
		})
	}
}

// A caller who leaves has denied nothing: the next call gets the receipt.
func TestCallerLeaves(t *testing.T) {
	shop := refundstest.New()
	defer shop.Close()
	leave, gone := context.WithCancel(t.Context())
	first := true
	desk := open(t, shop, t.TempDir(), func(ctx context.Context, _ string) (string, bool, error) {
		if first {
			first = false
			gone()
			<-ctx.Done()
			return "", false, ctx.Err()
		}
		return "kim@example.com", true, nil
	})
	defer desk.Close()
	_, err := desk.Refund(leave, "4711", 9000)
	require.ErrorIs(t, err, refunds.ErrUnfinished)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, shop.Duvo().Count("respondToHumanRequest"))
	_, err = desk.Refund(t.Context(), "4711", 9000)
	require.NoError(t, err)
	require.Equal(t, []int64{9000}, shop.Paid("4711"))
}

// Nothing that callers see has a type of what is behind it.
func TestShowsNothingOfWhatIsBehind(t *testing.T) {
	files := token.NewFileSet()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, e.Name(), nil, 0)
		require.NoError(t, err)
		ast.FileExports(f) // what is left is what callers see
		behind := map[string]bool{}
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			require.NoError(t, err)
			if strings.HasPrefix(path, "github.com/duvotool/") {
				behind[path[strings.LastIndex(path, "/")+1:]] = true
			}
		}
		require.NotEmpty(t, behind)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				fn.Body = nil
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok {
						require.False(t, behind[x.Name], "%s: %s.%s", files.Position(s.Pos()), x.Name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}
