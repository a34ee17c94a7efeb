// Support-copilot answers a customer with the help of Duvo's Assignments. What
// only looks something up runs by itself, a small voucher is approved by rule,
// and the regulated branch needs a person: who sits at the terminal, and where
// there is none, it stays closed.
//
// Without any environment it runs on an emulator with a stand-in for the model.
// DUVO_API_KEY, and OPENAI_API_KEY or OLLAMA_HOST, name real ones.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
)

var (
	fs      = flag.NewFlagSet("support-copilot", flag.ContinueOnError)
	message = fs.String("message", "Where is my order 4711? I was promised a voucher because the last one came late. "+
		"And please erase the personal data you hold on me, kim@example.com.", "the `TEXT` that the customer writes (default: three wishes)")
	vouchers = fs.String("vouchers", voucherID, "the `ID` of the Assignment that gives vouchers; it must be there, since money hangs on it (default: the emulator's)")
)

const instructions = "You are a copilot of the customer support. Split what the customer writes into what is to be done, and hand " +
	"each part to the one tool that fits it, with all details, all at once. Then answer the customer in a few " +
	"sentences. Where something was denied, say so kindly, and do not try it again."

var help = usage.Text{
	Does: "Answers a customer with Duvo's Assignments, each with its own approval.",
	About: `What only looks something up runs by itself, a voucher of up to 9 EUR is approved
by rule, up to ten a day, and what is in the folder Regulated needs a person: who sits at
the terminal, and where there is none, it is denied.`,
	Examples: []string{"support-copilot", "support-copilot -message 'Where is my order 4711?'"},
}

func main() {
	setup.Main(help, fs, emulated(), script, run)
}

// rules says who decides. What no case is for is denied.
func rules(person hitl.Policy) hitl.Policy {
	// Money goes by the Assignment's ID: names and folders can be edited by
	// others. After ten vouchers a day a person looks at each.
	small := hitl.AutoApprove(hitl.For(*vouchers).TitleMatches(`Give a voucher of [1-9] EUR`))
	return hitl.Route(
		hitl.When(hitl.AssignmentIs(*vouchers), hitl.FirstOf(hitl.Budget(10, 24*time.Hour, small, person), person)),
		// A day to decide; after that it counts as denied.
		hitl.When(hitl.FolderIs("Regulated"), hitl.Timeout(24*time.Hour, person, hitl.AlwaysDeny())),
	)
}

func run(ctx context.Context, s setup.Setup) error {
	reg, err := duvotool.Discover(ctx, s.Client, append(s.Options,
		duvotool.Keep(duvotool.InFolder("Support", "Regulated")),
		duvotool.WithPolicy(rules(s.Operator)),
		// One message pays and erases once, however the model words it.
		duvotool.Configure(duvotool.ByID(*vouchers), duvotool.OncePerScope()),
		duvotool.Configure(duvotool.InFolder("Regulated"), duvotool.OncePerScope()),
		duvotool.WithObserver(func(e outcome.Event) { fmt.Fprintln(s.Out, "  "+e.String()) }))...)
	if unknown := (*hitl.NoMatchError)(nil); errors.As(err, &unknown) && unknown.Name == *vouchers {
		return fmt.Errorf("-vouchers: %w", unknown)
	} else if err != nil {
		return err
	}
	defer reg.Close(context.WithoutCancel(ctx))
	if len(reg.All()) == 0 {
		return errors.New("this team has no Assignments in the folders Support and Regulated; make some in Duvo first")
	}
	agent, err := langchaingo.NewAgent(s.Model, reg, langchaingo.WithSystem(instructions))
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "\nThe customer: %s\n\n", hitl.SafeText(*message, 0))
	// The scope of this message: a model that repeats a call starts no second Job.
	scoped := duvotool.WithOperationScope(ctx, "message of "+time.Now().Format(time.RFC3339Nano))
	answer, err := chains.Run(scoped, agents.NewExecutor(agent), *message)
	if err != nil {
		return err
	}
	if err := reg.Close(ctx); err != nil { // everything has been observed
		return err
	}
	_, err = fmt.Fprintf(s.Out, "\nThe copilot: %s\n", hitl.SafeText(answer, 0))
	return err
}
