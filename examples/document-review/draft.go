package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A draft is what is edited. Its margin is the registry's to write until that is
// closed.
type draft struct {
	clauses []Clause
	margin  []string
}

func (d *draft) String() string {
	var b strings.Builder
	for _, c := range d.clauses {
		fmt.Fprintf(&b, "%d. %s\n", c.Number, c.Text)
	}
	return b.String()
}

// observe notes what Jobs find, whoever started them.
func (d *draft) observe(e outcome.Event) {
	var v Verdict
	if e.Kind != outcome.EventFinished || json.Unmarshal(e.Result.Data, &v) != nil {
		return
	}
	note := func(format string, args ...any) {
		d.margin = append(d.margin, hitl.SafeLine(fmt.Sprintf(format, args...), 300))
	}
	for _, f := range v.Findings {
		note("clause %d, %s: %s Better: %s", f.Clause, f.Severity, f.Problem, f.Proposal)
	}
	for _, decision := range e.Result.Decisions {
		note("%s: %s by %s", decision.Title, decision.Verdict, decision.By)
	}
	note("checked; findings: %d, registered: %t", len(v.Findings), v.Registered)
}

// emulated is the Assignment as an emulator has it.
func emulated() []duvotest.Assignment {
	return []duvotest.Assignment{{
		Name:        "Compliance check",
		Folder:      "Legal",
		Description: "Checks clauses of a contract against the house's rules, proposes better ones, and enters contracts in the register once that is approved.",
		Script: func(j *duvotest.Job) {
			var r Review
			if err := json.Unmarshal([]byte(j.Input()), &r); err != nil {
				j.Fail(err.Error())
			}
			v := Verdict{Findings: []Finding{}}
			must := false
			for _, c := range r.Clauses {
				switch {
				case strings.Contains(c.Text, "90 days"):
					must = true
					v.Findings = append(v.Findings, Finding{c.Number, "must", "We pay within 30 days.", "Invoices are due after 30 days."})
				case strings.Contains(c.Text, "without any limit"):
					v.Findings = append(v.Findings, Finding{c.Number, "should", "Few suppliers sign this.", "The supplier's liability is limited to twice the price."})
				}
			}
			if r.Register && !must {
				v.Registered = j.AskApproval("Enter the contract in the register", fmt.Sprintf("Checked by the %s rules.", r.Rules))
			}
			answer, _ := json.Marshal(v) // plain fields always marshal
			j.Complete("I have checked the clauses.\n\n```json\n" + string(answer) + "\n```")
		},
	}}
}

var clauseLine = regexp.MustCompile(`(?m)^(\d+)\. (.+)$`)

// script is the stand-in's: it has the clause checked that the person names.
func script(t setup.Turn) (calls []setup.Call, words string) {
	if len(t.Results) > 0 {
		return nil, "Clause 2 was checked. " + t.Results[0]
	}
	review := Review{Rules: "purchasing", Register: true}
	for _, line := range clauseLine.FindAllStringSubmatch(t.Task, -1) {
		if number, _ := strconv.Atoi(line[1]); strings.Contains(t.Task, fmt.Sprintf("clause %d ", number)) {
			review.Clauses = append(review.Clauses, Clause{number, line[2]})
		}
	}
	return []setup.Call{{Tool: t.Offered[0].Name, Arguments: review}}, ""
}
