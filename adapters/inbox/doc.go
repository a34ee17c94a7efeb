// Package inbox is a desk in a browser: an [http.Handler] at which people see what
// waiting Jobs ask, and answer it.
//
//	later := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
//	reg, err := duvotool.Discover(ctx, client, duvotool.WithPolicy(later))
//	desk, err := inbox.New(inbox.Config{
//		Registries: []inbox.Registry{reg},
//		Person:     whoIsIt, // of the host's own sign-in
//		May:        inbox.Everyone,
//	})
//	http.Handle("/desk/", http.StripPrefix("/desk", desk))
//
// It shows what Registry.Pending lists, and decides by Registry.Decide: what a
// policy suspended, with [hitl.Suspend]. So a decision at the desk is one like any
// other: bound to the text that it is about, recorded in the audit and the journal,
// and taken once. Of two who decide at once one wins, and the other is told who.
//
// # Who
//
// The desk signs nobody in; package oidc is a ready sign-in. [Config.Person] tells who makes a request, and
// [Config.May] what that person may see and decide; New fails without them. The
// login becomes the By of decisions.
//
// # What protects a decision
//
// A GET decides nothing. A decision comes by POST, in a browser from the desk's own
// origin alone (a program tells none), with the proof of a display: which person was
// shown which text, and whether it was the whole of it. A text that has changed since is shown again with what is different;
// an approval for a text that was not shown whole is refused. Texts of Duvo's are
// never interpreted, and what is invisible in them is shown as a mark. Pages carry a
// strict Content-Security-Policy, load nothing from elsewhere and cannot be framed.
//
// A policy's conditions hold here as everywhere. What needs a proof, see
// [hitl.RequireProof], takes the person's passkey, see [Config.Prover] and package
// passkey; it is denied at several at once, and approved one by one. While somebody holds
// approvals, see [Config.Hold], the desk says so on each page and sends none. Who asked
// for the work is shown that others have to approve it, where [hitl.NotOwn] says so.
//
// Everything but adding and using a passkey works without JavaScript; with it, the list
// is live.
package inbox
