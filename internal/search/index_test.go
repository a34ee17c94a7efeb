package search

import (
	"math/rand/v2"
	"slices"
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
		if assert.NotEmpty(t, got, query) {
			assert.Equal(t, want, got[0], "%q: %v", query, got)
		}
	}
	require.Empty(t, x.Find("xylophone", 3))
	require.Empty(t, x.Find("", 3))
	require.Empty(t, x.Find("refund", 0))
	require.Empty(t, (&Index{}).Find("refund", 3))
}

func TestStem(t *testing.T) {
	for _, forms := range []string{
		"invoice invoices invoicing invoiced", "approve approval approves approved approving", "cancel cancels cancelled cancellation cancelling",
		"notify notifies notification notifications", "ship shipping shipment shipments shipped", "reconcile reconciliation reconciled", "pay payment payments paid",
		"translate translation translator translations translating", "category categories categorize", "summary summarize summaries summarise", "deliver delivery deliveries",
		"supply supplier suppliers", "price prices pricing", "analyze analysis analytics", "onboard onboarding", "bill billing bills", "create creating creation", "register registration",
	} {
		words := strings.Fields(forms)
		for _, w := range words[1:] {
			require.Equal(t, stem(words[0]), stem(w), "%s and %s", words[0], w)
		}
	}
	for _, apart := range []string{"customer customs", "police policies", "letter let", "state statement", "news new"} {
		a, b, _ := strings.Cut(apart, " ")
		require.NotEqual(t, stem(a), stem(b), apart)
	}
}

func TestDistance(t *testing.T) {
	for pair, want := range map[string]int{"refund refund": 0, "refund refnud": 1, "refund refun": 1, "refund xrefund": 1, "refund rfeudn": 2, "refund order": 3, "a b": 1, "äö öä": 1} {
		a, b, _ := strings.Cut(pair, " ")
		require.Equal(t, want, distance(a, b, 2), pair)
		require.Equal(t, want, distance(b, a, 2), pair)
	}
}

// The groups of words that mean the same hold together: no typing mistakes, no
// word alone.
func TestGroups(t *testing.T) {
	for line := range strings.Lines(groups) {
		words := strings.Fields(line)
		if len(words) == 1 {
			t.Errorf("%q stands alone", line)
		}
		for _, w := range words {
			require.Equal(t, strings.ToLower(w), w)
		}
	}
}

// Whatever is searched for, it ends, and what is found is in the index.
func FuzzFind(f *testing.F) {
	x := index(office)
	for _, q := range []string{"refund", "money back", "経費", "\xff", "don't", "PDFs", "a-b-c", strings.Repeat("long ", 200)} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		last := 1e9
		for _, h := range x.Find(q, 5) {
			require.Less(t, h.Doc, len(office))
			require.LessOrEqual(t, h.Score, last)
			require.Greater(t, h.Score, 0.0)
			last = h.Score
		}
		_ = index([]string{q + "|" + q + "|" + q}).Find(q, 1)
	})
}

func BenchmarkFind(b *testing.B) {
	var all []string
	for i := range 500 {
		all = append(all, office[i%len(office)])
	}
	x := index(all)
	for b.Loop() {
		x.Find("the custommer wants their money back for an order that arived broken", 5)
	}
}

// A mistake in each longer word of a name still finds it first, nearly always.
func TestTypos(t *testing.T) {
	x := index(office)
	r := rand.New(rand.NewPCG(1, 2))
	mistake := func(w string) string {
		s := []rune(w)
		if len(s) < 4 {
			return w
		}
		i := 1 + r.IntN(len(s)-2)
		switch other := rune('a' + r.IntN(26)); r.IntN(4) {
		case 0:
			s = slices.Delete(s, i, i+1)
		case 1:
			s[i], s[i+1] = s[i+1], s[i]
		case 2:
			s[i] = other
		default:
			s = slices.Insert(s, i, other)
		}
		return string(s)
	}
	first, all := 0, 0
	for range 20 {
		for _, line := range office {
			name, _, _ := strings.Cut(line, "|")
			var query []string
			for _, w := range tokens(name) {
				for _, p := range w.parts {
					query = append(query, mistake(p))
				}
			}
			all++
			if got := found(x, office, strings.Join(query, " "), 1); len(got) > 0 && got[0] == name {
				first++
			}
		}
	}
	t.Logf("%d of %d names with mistakes are found first", first, all)
	require.Greater(t, first*100, all*95)
}
