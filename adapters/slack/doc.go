// Package slack has people in Slack decide what waiting Jobs ask: a message with
// buttons for an approval, a form for questions and for a denial's reason, and the
// outcome of the Job in the message's thread.
//
//	app, err := slack.New(slack.Config{
//		Client: client,                        // of slack-go, with the app's tokens
//		To:     func(hitl.Request) string { return "C012AB3CD" },
//		People: slack.Users(map[string]string{"U012AB3CD": "kim@example.com"}),
//		SocketMode: true,
//	})
//	reg, err := duvotool.Discover(ctx, duvoClient,
//		duvotool.WithPolicy(app), duvotool.WithObserver(app.Observe))
//	err = app.Run(ctx, reg)
//
// README.md in this folder tells how the app is made in Slack, with the scopes that it
// needs.
//
// # Two ways to ask
//
// An [App] is a policy: it asks, and the call waits for the answer; it composes with
// everything in hitl. And whatever a registry that Run was given has suspended, see
// [hitl.Suspend], is posted too: it can be decided in Slack, at a desk and by
// Registry.Decide alike. Either way a decision is bound to the text that was posted,
// taken once, and recorded with the host's name of the person.
//
// # What a message shows
//
// All that a request says, as plain text: nothing of Duvo's becomes a link, a mention,
// an emoji or a mark, and what is invisible is shown by number. What does not fit,
// some 11,000 characters in all, is shown in part, without a button to approve or
// answer it: it can be denied here, and links to the desk, see Config.Desk. Whoever
// can read the channel can read the request, and the Job's words in the thread; see
// Config.To and Config.HideOutput. A message can be approved or answered only as long as
// its text is the one that waits.
//
// # Who decides
//
// Whom [People] knows, by the Slack user's ID, and Config.May lets; people of other
// workspaces only where Config.Teams names theirs. What Slack delivers by HTTP must
// carry a signature that is not older than five minutes; by Socket Mode it comes over
// the app's own connection.
//
// # Threads
//
// Where [Config.To] names a [Thread], the request is asked there, and the outcome comes
// there: so a bot asks where it was asked.
//
// # What is decided elsewhere
//
// The message loses its buttons and tells who has decided, wherever that was: in
// Slack, at a desk, by a rule, because nobody did in time, or in Duvo. Who clicks too
// late, or has a form open, is told the same.
//
// # Restarts, retries and outages
//
// With a [Store] a restart knows what was posted; without one, and where an answer of
// Slack's was lost, the message is looked for in the channel by its metadata before it
// is posted. Deliveries that come again, clicks that come twice and messages that are
// not the one that was posted decide nothing. While Slack cannot be reached or asks for
// time, messages wait, and nothing in Duvo waits for them. A message is settled only for
// a reason that is known: a Duvo that cannot be read, or a program that ends, settles
// nothing.
//
// # Proofs and holds
//
// What takes a proof of who decides, see [hitl.RequireProof], has no button to approve or
// answer it: Slack cannot give a passkey's proof, so the message links to the desk. What
// the registry refuses for another reason, such as a hold, is told the person alone, with
// the same link.
package slack
