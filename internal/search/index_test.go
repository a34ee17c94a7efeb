package search

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// office is a catalog as teams write them: name, folder, description.
var office = []string{
	"refund_customer|Support/Refunds|Refunds an order once the amount was approved.",
	"track_shipment|Support/Logistics|Looks up where a parcel is and when it arrives.",
	"answer_complaint|Support|Drafts an answer to a customer who is not satisfied.",
	"Reset Password|IT/Access|Sends a link with which a user chooses a new password.",
	"grant_access|IT/Access|Gives a user permissions for an application.",
	"order-laptop|IT/Hardware|Orders a computer for a new employee.",
	"approve_invoice|Finance/Payables|Checks an incoming invoice against its purchase order and approves it.",
	"pay_supplier|Finance/Payables|Transfers what is owed to a vendor.",
	"send_payment_reminder|Finance/Receivables|Writes to customers whose invoices are overdue.",
	"reconcile_accounts|Finance/Accounting|Matches bank statements with bookings.",
	"expense_report|Finance/Expenses|Collects receipts and prepares an employee's travel expenses.",
	"vat_return|Finance/Tax|Prepares the monthly VAT declaration.",
	"contract_review|Legal|Reads a contract and lists clauses that break the rules.",
	"NDA generator|Legal|Fills in a confidentiality agreement for a new partner.",
	"gdpr_request|Legal/Privacy|Gathers all personal data of a person, or deletes it.",
	"screen_candidates|People/Hiring|Ranks applicants for a vacancy by their CVs.",
	"onboarding_plan|People|Sets up the first two weeks of a newcomer.",
	"vacation_request|People/Leave|Books days off and tells the team.",
	"payslip_question|People/Payroll|Explains the lines of a salary slip.",
	"meeting_minutes|Office|Turns a recording into minutes with tasks.",
	"plan_trip|Office/Travel|Finds flights and a hotel within the budget.",
	"translate_document|Marketing/Content|Translates texts into other languages and keeps their layout.",
	"write_newsletter|Marketing/Content|Writes the monthly e-mail to all subscribers.",
	"summarizeArticle|Marketing/Content|Shortens a long article to five sentences.",
	"competitor_prices|Marketing/Research|Watches what rivals charge for similar goods.",
	"qualify_leads|Sales|Scores new prospects from the web form.",
	"prepare_quote|Sales|Calculates an offer with discounts for a client.",
	"update_crm|Sales|Keeps contact records in PayPal, HubSpot and the back office complete.",
	"stock_forecast|Warehouse|Predicts which goods run out and when to reorder.",
	"Rechnungsprüfung|Finanzen|Prüft eingehende Rechnungen.",
	"経費精算|経理|出張の経費を精算します。",
}

func index(catalog []string) *Index {
	var docs [][]Field
	for _, line := range catalog {
		p := strings.Split(line, "|")
		docs = append(docs, []Field{{p[0], 3, 0.5}, {p[1], 1.5, 0.3}, {p[2], 1, 0.6}})
	}
	return NewIndex(docs)
}

func found(x *Index, catalog []string, query string, limit int) []string {
	var names []string
	for _, h := range x.Find(query, limit) {
		name, _, _ := strings.Cut(catalog[h.Doc], "|")
		names = append(names, name)
	}
	return names
}

func TestFirst(t *testing.T) {
	x := index(office)
	for query, want := range map[string]string{
		// the words of the catalog
		"refund": "refund_customer", "refund_customer": "refund_customer", "Reset password": "Reset Password", "vat": "vat_return",
		// other forms
		"refunding customers": "refund_customer", "translation": "translate_document", "shipments": "track_shipment",
		"reconciliation": "reconcile_accounts", "approval of invoices": "approve_invoice", "hire": "screen_candidates", "payslips": "payslip_question",
		"summary of an article": "summarizeArticle", "onboard": "onboarding_plan", "competition pricing": "competitor_prices",
		// people's words
		"the customer wants their money back": "refund_customer", "where is my package?": "track_shipment",
		"I forgot my login": "Reset Password", "how do I take time off": "vacation_request", "somebody is late paying us": "send_payment_reminder",
		"who has not paid their bill yet": "send_payment_reminder", "we need a new notebook computer": "order-laptop",
		"please check this agreement for legal problems": "contract_review", "book a flight to Oslo": "plan_trip",
		"make this text shorter": "summarizeArticle", "holiday": "vacation_request", "what are other companies charging": "competitor_prices",
		"wage slip": "payslip_question", "resume screening": "screen_candidates", "give Ann permission to use the software": "grant_access",
		"delete my personal data": "gdpr_request", "transcript of a call": "meeting_minutes", "mailing": "write_newsletter",
		"someone is angry about our service": "answer_complaint", "when will we be out of stock": "stock_forecast",
		// parts, compounds, case, accents, typos
		"Summarize Article": "summarizeArticle", "backoffice": "update_crm", "back-office": "update_crm", "hub spot": "update_crm", "paypal": "update_crm",
		"rechnungsprufung": "Rechnungsprüfung", "RECHNUNG": "Rechnungsprüfung", "Rechnungspruefung": "Rechnungsprüfung", "経費": "経費精算",
		"refnud": "refund_customer", "pasword reste": "Reset Password", "invocie aproval": "approve_invoice", "recncile": "reconcile_accounts",
		"translte documnt": "translate_document", "compettitor": "competitor_prices", "newslettr": "write_newsletter",
	} {
		got := found(x, office, query, 3)
		if len(got) == 0 {
			t.Errorf("%q: nothing", query)
			continue
		}
		assert.Equal(t, want, got[0], "%q: %v", query, got)
	}
	require.Empty(t, x.Find("xylophone", 3))
	require.Empty(t, x.Find("", 3))
	require.Empty(t, x.Find("refund", 0))
	require.Empty(t, (&Index{}).Find("refund", 3))
}
