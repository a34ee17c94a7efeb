package main

import (
	"strings"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/examples/internal/setup"
)

// emulated are the Assignments as an emulator has them.
func emulated() []duvotest.Assignment {
	skill := func(folder, name, description, answer string) duvotest.Assignment {
		return duvotest.Assignment{Name: name, Folder: folder, Description: description,
			Script: func(j *duvotest.Job) { j.Complete(answer) }}
	}
	pay := skill("Finance/Payables", "Pay invoice", "Pays an invoice that is due, once somebody has approved it.", "")
	pay.Script = func(j *duvotest.Job) {
		if !j.AskApproval("Pay an invoice", j.Input()) {
			j.Complete("Nothing was paid.")
		}
		j.Complete("The invoice is paid.")
	}
	return []duvotest.Assignment{
		pay,
		skill("Finance", "Reconcile invoices", "Reconciles invoices with the payments of a month and lists what is open.", "Invoice 12 was paid in full on 14 March."),
		skill("Finance", "Expense report", "Makes an expense report of receipts.", "The report is filed."),
		skill("People", "Vacation desk", "Answers how many days of vacation somebody has, and books them.", "It is 28 days from the tenth year on."),
		skill("People", "Onboarding", "Prepares accounts and a desk for a new colleague.", "All is prepared."),
		skill("Marketing", "Press release", "Writes a press release about a product.", "The release is drafted."),
		skill("Marketing/Web", "Translate a page", "Translates pages of the web site into other languages.", "The German page is ready for review."),
	}
}

// script is the stand-in's: it searches where it can, and then hands the task to
// the skill that fits it best.
func script(t setup.Turn) (calls []setup.Call, words string) {
	offered := t.Offered
	switch tool := offered[len(offered)-1]; {
	case len(t.Results) == 0 && tool.Name == "duvo_search":
		return []setup.Call{{Tool: tool.Name, Arguments: map[string]string{"query": t.Task}}}, ""
	case len(t.Results) == 0 && tool.Name == "duvo":
		names := map[string]string{}
		for _, name := range setup.Enum(tool, "assignment") {
			names[name] = strings.ReplaceAll(name, "_", " ")
		}
		return []setup.Call{{Tool: tool.Name, Arguments: map[string]string{"assignment": setup.Pick(t.Task, names), "input": t.Task}}}, ""
	case len(t.Results) == 0, len(t.Results) == 1 && offered[0].Name == "duvo_search":
		return []setup.Call{{Tool: t.Fitting(t.Task), Arguments: map[string]string{"input": t.Task}}}, ""
	}
	return nil, t.Results[len(t.Results)-1]
}
