package main

import (
	"fmt"
	"regexp"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
)

// An emulator stands in for Duvo.
type emulator interface {
	Client(...duvo.Option) *duvo.Client
	Close()
}

// work is what the agent hands over, one after another and each time for another order, by
// tool.
var work = []struct{ tool, input string }{
	{"refunds", "Customer of order %d writes that a lamp arrived broken. Find out what happened and settle it within our rules for damaged goods."},
	{"outbound_e_mail", "Tell our customers the prices that hold from January. Campaign %d."},
	{"complaint_handler", "Order %d: the customer writes that the address is wrong. Settle it."},
	{"account_access", "noor-%d@example.com has joined Finance. Give her what she needs."},
}

// newEmulator has four Assignments whose Jobs ask.
func newEmulator() emulator {
	return duvotest.New(duvotest.WithAssignments(
		duvotest.Assignment{Name: "Refunds", Folder: "Support/Refunds", Description: "Refunds orders within the rules for damaged goods.", Script: refund},
		duvotest.Assignment{Name: "Outbound e-mail", Folder: "Marketing/Newsletters", Description: "Writes to customers.", Script: newsletter},
		duvotest.Assignment{Name: "Complaint handler", Folder: "Support", Description: "Settles complaints.", Script: complaint},
		duvotest.Assignment{Name: "Account access", Folder: "IT/Accounts", Description: "Gives people access.", Script: access},
	))
}

const refundText = `I have looked at order %s and at the three e-mails of the customer and propose to refund 500.00 EUR, which is half of what was paid, to the card that paid.

What happened: the order holds two floor lamps at 500.00 EUR each. Both were delivered on 19 November. On 20 November the customer wrote that one lamp came with a broken foot and sent two photographs. The photographs show the foot of the model that was ordered, and the serial number on it is on our packing list for this order.

What I have checked: the payment of 1,000.00 EUR was settled on 12 November and nothing was refunded so far; the card is still valid; the customer has made 7 orders since 2023 and asked for a refund once, for 24.00 EUR.

Why a refund and not a replacement: the model is out of stock until 14 January. I offered the grey one in my e-mail of 23 November and the customer declined it on 24 November.

What I will do if you approve: refund 500.00 EUR to the card, send the customer the usual confirmation, and book the lamp as damaged in transit. What I will not do: ask for the lamp to be sent back. Sending it costs 38.00 EUR and it cannot be sold again.`

// number is what a Job is about: the first number of its input.
func number(j *duvotest.Job) string { return digits.FindString(j.Input()) }

var digits = regexp.MustCompile(`[0-9]+`)

func refund(j *duvotest.Job) {
	if j.AskApproval("Refund 500.00 EUR for order "+number(j), fmt.Sprintf(refundText, number(j))) {
		j.Complete("500.00 EUR were refunded.")
	}
	j.Complete("Nothing was refunded.")
}

func newsletter(j *duvotest.Job) {
	if j.AskApproval("Send “Prices from January” to 124 customers, campaign "+number(j), "Subject: Prices from January\n\nDear customer,\nFrom 1 January our prices rise by 3.5 %. Orders that reach us until 31 December are delivered at today's prices.\n\nThe e-mail goes out when this is approved. It cannot be called back.") {
		j.Complete("The e-mail was sent to 124 customers.")
	}
	j.Complete("No e-mail was sent.")
}

func complaint(j *duvotest.Job) {
	j.Ask("Which delivery address is right for order "+number(j)+"?", "The order and the customer's e-mail name different streets. The parcels leave the warehouse tomorrow at 10:00.",
		duvo.QuestionItem{Question: "Which address shall be used?", Header: "Address", Options: []duvo.Choice{{Label: "Linden Street 4", Description: "on the order"}, {Label: "Linden Street 14", Description: "in the customer's e-mail"}, {Label: "Hold the parcels", Description: "until the customer has confirmed one"}}},
		duvo.QuestionItem{Question: "Which parcels does it apply to?", Header: "Parcels", MultiSelect: true, Options: []duvo.Choice{{Label: "Parcel 1 of 3", Description: "2 lamps"}, {Label: "Parcel 2 of 3", Description: "shades"}, {Label: "Parcel 3 of 3", Description: "cables"}}},
		duvo.QuestionItem{Question: "What is the customer told about the delay?", Header: "Message"})
	j.Complete("The parcels go to the address that was chosen.")
}

func access(j *duvotest.Job) {
	if j.AskApproval("Give noor-"+number(j)+"@example.com read access to “Quarter 4 close”", "noor-"+number(j)+"@example.com joined Finance on 23 November; the owner of the folder has agreed.\n\nAccess would last until 31 January 2027.") {
		j.Complete("Access was given.")
	}
	j.Complete("No access was given.")
}
