package main

import (
	"regexp"
	"strings"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/examples/internal/setup"
)

const voucherID = "5e0c1b5a-8f0b-4c5e-9d3b-2f6f0a6d4711"

// emulated are the Assignments as an emulator has them.
func emulated() []duvotest.Assignment {
	return []duvotest.Assignment{
		{Name: "Order status", Folder: "Support", Description: "Tells where an order is. Changes nothing.",
			Script: func(j *duvotest.Job) { j.Complete("Order 4711 was shipped yesterday.") }},
		{ID: voucherID, Name: "Vouchers", Folder: "Support", Description: "Gives a customer a voucher that was promised to them, because of a delay for example.",
			Script: func(j *duvotest.Job) {
				amount := "5"
				if strings.Contains(j.Input(), "large") {
					amount = "50"
				}
				if !j.AskApproval("Give a voucher of "+amount+" EUR", "The customer writes:\n"+j.Input()) {
					j.Complete("No voucher was given.")
				}
				j.Complete("A voucher of " + amount + " EUR is on its way.")
			}},
		{Name: "Data erasure", Folder: "Regulated/Privacy", Description: "Erases the personal data of a customer for good.",
			Script: func(j *duvotest.Job) {
				j.CallTool("customers_find", map[string]string{"text": j.Input()}, map[string]int{"records": 17})
				if !j.AskApproval("Erase 17 records of a customer", "They cannot be brought back.\n\nThe customer writes:\n"+j.Input()) {
					j.Complete("Nothing was erased.")
				}
				j.Complete("17 records were erased.")
			}},
		{Name: "Newsletter", Folder: "Marketing", Description: "Sends a newsletter to all customers.",
			Script: func(j *duvotest.Job) { j.Complete("sent") }},
	}
}

var sentence = regexp.MustCompile(`[^.?!]+(?:\.\w[^.?!]*)*[.?!]`)

// script is the stand-in's: it hands each sentence to the tool that fits it.
func script(t setup.Turn) (calls []setup.Call, words string) {
	if len(t.Results) > 0 {
		return nil, "this is what came of it.\n\n" + strings.Join(t.Results, "\n\n")
	}
	for _, part := range sentence.FindAllString(t.Task, -1) {
		calls = append(calls, setup.Call{Tool: t.Fitting(part), Arguments: map[string]string{"input": strings.TrimSpace(part)}})
	}
	if len(calls) == 0 {
		calls = []setup.Call{{Tool: t.Fitting(t.Task), Arguments: map[string]string{"input": t.Task}}}
	}
	return calls, ""
}
