// Package notify tells people that a request waits, by mail, Teams or any other way that
// a function of the host's knows, with a link to where it is decided.
//
//	n, err := notify.New(notify.Config{
//		Registries: []notify.Registry{reg},
//		Link:       func(r hitl.Request) string { return "https://example.com/desk/requests/" + inbox.Ref(r) },
//		Send:       sendMail,
//	})
//	go n.Run(ctx)
//
// It tells of what Registry.Pending lists, the suspended requests, see [hitl.Suspend];
// of what a policy is still asked about it tells by [Notifier.Remind]:
//
//	hitl.Escalate(operator, hitl.Remind(time.Hour, n.Remind))
//
// A notice decides nothing and asks for no answer: what comes back to a mail is nobody's
// decision. Its link must be that of a page which shows the request, and on which
// somebody who has signed in decides, as the pages of adapters/inbox are: mail scanners
// and previews follow links.
//
// No Job waits for a notice. What cannot be sent is tried again a few times, and then
// logged; what has been decided meanwhile is not sent any more. examples/mail has a whole
// program that sends mail.
package notify
