package duvotool_test

import (
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// Records tell by name which rule decided, and hold the digest of what the Job was
// started with; what the request said is there once, and only where it is asked for.
func TestAuditRecordsTellWhatWasDecidedAbout(t *testing.T) {
	rules := duvotool.WithPolicy(hitl.AutoApprove(hitl.For(refundsID).TitleIs("other").Named("never mind"), hitl.For(refundsID).Named("small refunds")))
	for name, opts := range map[string][]duvotool.Option{"without the text": {rules}, "with the text": {rules, duvotool.WithAuditTexts()}} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				log := &auditLog{}
				reg := discover(t, d.Client(), append(opts, duvotool.WithAudit(log))...)
				_, err := mustTool(reg, "refunds").Run(t.Context(), "order 4711")
				require.NoError(t, err)
				texts := 0
				for _, r := range log.records {
					if r.RequestID != "" {
						require.Equal(t, audit.InputDigest("order 4711"), r.InputDigest, r.Event)
					}
					require.NoError(t, r.CheckRequest())
					if r.Event == audit.Decided {
						require.Equal(t, "AutoApprove > small refunds", r.Path)
						require.Contains(t, r.Reason, `rule "small refunds": Assignment `+refundsID)
					}
					if r.Request == nil {
						continue
					}
					texts++
					require.Equal(t, audit.Decided, r.Event)
					require.Equal(t, "order 4711", r.Request.Input)
					for _, change := range []func(*audit.Record){
						func(r *audit.Record) { r.Request.Description += "." },
						func(r *audit.Record) { r.Request.Input += "." },
						func(r *audit.Record) { r.Title += "." },
						func(r *audit.Record) { r.InputDigest = audit.InputDigest("another") },
					} {
						changed, text := r, *r.Request
						changed.Request = &text
						change(&changed)
						require.ErrorContains(t, changed.CheckRequest(), "not the one that was decided about")
					}
				}
				require.Equal(t, len(opts)-1, texts)
			}, duvotest.WithAssignment(refunds))
		})
	}
	require.ErrorContains(t, hitl.AutoApprove(hitl.For("a").Named("x"), hitl.For("b").Named("x")).(interface{ Validate() error }).Validate(), "named")
	require.ErrorContains(t, hitl.AutoApprove(hitl.For("a").Named(" ")).(interface{ Validate() error }).Validate(), "name is empty")
}
