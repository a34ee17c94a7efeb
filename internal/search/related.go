package search

import (
	"strings"
	"sync"
)

// groups are words that commonly mean the same or nearly so in an office. They
// are general English, not taken from any catalog. A word may be in several;
// a hyphenated one stands for two words in a row.
const groups = `
email mail inbox message letter
message notify notification inform alert tell
send dispatch forward distribute
invoice bill billing
refund reimburse reimbursement money-back repay chargeback
expense reimbursement spending receipt
cancel terminate termination end stop unsubscribe close
purchase buy order procure procurement acquire
order purchase-order
vendor supplier
customer client buyer consumer shopper guest
employee staff worker colleague personnel coworker human-resources hr
human-resources hr personnel people
onboard onboarding new-hire joiner starter new-employee
offboard offboarding leaver departure exit resign quit
hire recruit recruiting candidate applicant job-application vacancy
candidate applicant resume cv
delete remove erase purge wipe
create new add generate produce set-up build open
write draft compose author
update change edit modify amend correct adjust fix
check verify validate review inspect audit examine assess evaluate control
approve approval sign-off authorize accept permit
reject decline refuse deny
search look-up lookup query locate retrieve
contract agreement
agreement nda confidentiality
meeting appointment calendar schedule call
schedule book reserve plan arrange
reschedule postpone move
book booking reservation
ship shipping shipment delivery deliver parcel package courier freight
delivery parcel package shipment
track trace follow status whereabouts
complain complaint grievance unhappy dissatisfied angry escalate
complaint claim
problem issue incident trouble error fault bug
broken damaged defective faulty damage break crack
ticket case request incident
pay payment settle remit transfer
overdue late unpaid outstanding delay dunning
collect collection dunning debt chase remind
remind reminder chase nudge follow-up
salary payroll wage pay-slip compensation
payroll payslip
summary summarize recap digest overview brief condense shorten
report reporting statement
translate translation localize localization language
quote quotation estimate offer proposal bid
price cost rate pricing fee charge
discount rebate coupon voucher promotion
cheap discount
repair maintenance fix service
vacation holiday leave time-off absence pto day-off annual-leave
sick illness ill absence
warranty guarantee
password login credential sign-in log-in account-access
reset restore recover unlock lock forget password
access permission rights
user account profile
computer laptop pc device hardware equipment
phone telephone call
software application app program
stock inventory warehouse
restock replenish reorder run-out running-out shortage
expire lapse renew renewal run-out running-out end
electricity power energy utility consumption usage
shop store branch outlet
raise rise increase
fire dismiss lay-off terminate offboard
tax vat duty
bank banking account
reconcile match balance
forecast predict projection outlook
budget spending
revenue sales income turnover
sale selling deal opportunity
lead prospect
money funds cash
document file paper doc
scan ocr digitize extract
extract parse read capture
classify categorize sort label tag triage route
route assign allocate
compare match diff
merge combine consolidate deduplicate
duplicate deduplicate double
convert transform format
export download
import upload load
website site web page webpage homepage
article post blog content
publish post release
advertise ad ads advertising campaign marketing
newsletter mailing campaign
survey questionnaire poll feedback
feedback review opinion rating testimonial
answer reply respond response
question inquiry enquiry faq
support help-desk helpdesk service-desk
law legal lawyer attorney
compliance regulation regulatory rule policy
risk hazard danger
fraud scam suspicious phishing
security safety
privacy gdpr personal-data data-protection
identity kyc id-check 
train training course teach learn education
travel trip flight hotel journey
picture image photo graphic illustration
video clip movie film
speech audio voice recording transcript transcription
transcribe transcription dictation
chart graph plot diagram visualize dashboard
spreadsheet excel sheet table csv
presentation slides deck powerpoint
address location
monitor watch observe
return send-back
exchange swap replace replacement
subscribe subscription membership
renew renewal extend prolong
upgrade downgrade plan
evict tenant rent lease
rent lease
lease leasing rental hire
property real-estate building
insurance insure coverage policy
claim insurance
loan credit mortgage lend
donate donation charity
patient clinic doctor medical
medicine drug medication prescription
school student pupil
product item article goods sku
category taxonomy
description text copy copywriting
rewrite rephrase reword edit
proofread spelling grammar
minutes notes protocol
deadline due-date
attach attachment enclosure
sign signature e-signature
benefit perk
performance appraisal
bonus commission incentive
car vehicle fleet
stuck blocked
outage downtime down
server host machine
deploy release rollout
test testing qa
code source programming
database db
backup archive
log logs
competitor rival
market industry
research investigate study analyze
trend pattern
job position role vacancy
manager boss supervisor
team department
partner reseller affiliate
`

// idioms are, by stem, two words in a row that the groups know as one.
var idioms = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(groups) {
		if strings.Contains(w, "-") {
			m[stem(strings.ReplaceAll(w, "-", ""))] = true
		}
	}
	return m
})

func isIdiom(joined string) bool { return idioms()[stem(joined)] }

// thesaurus holds, by stem, the stems of what means the same.
var thesaurus = sync.OnceValue(func() map[string][]string {
	m := map[string][]string{}
	for line := range strings.Lines(groups) {
		var stems []string
		for _, w := range strings.Fields(line) {
			stems = append(stems, stem(strings.ReplaceAll(w, "-", "")))
		}
		for i, s := range stems {
			m[s] = append(m[s], stems[:i]...)
			m[s] = append(m[s], stems[i+1:]...)
		}
	}
	return m
})

func relatedTo(word string) []string {
	root := stem(word)
	var out []string
	seen := map[string]bool{root: true}
	for _, s := range thesaurus()[root] {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
