package slack

import (
	"unicode"
	"unicode/utf8"
)

// words are what people are told.
var words = map[string]string{
	"foreign":        "Nothing was decided: people of this workspace cannot decide here.",
	"notListed":      "Nothing was decided: you are not among those who can decide this.",
	"unknownPerson":  "Nothing was decided: who you are could not be told. Try again later.",
	"notYours":       "Nothing was decided: you cannot decide this request.",
	"cut":            "Not all of it fits into a message, so it cannot be approved or answered here. Read it whole and decide at the desk.",
	"cutNoDesk":      "Not all of it fits into a message, so it cannot be approved or answered here.",
	"formTooLarge":   "Its answers do not fit into a form of Slack's, so it cannot be answered here.",
	"unanswerable":   "No answer can tell which of its questions or options is meant, so it cannot be answered here.",
	"unneeded":       "No longer asked here: it was decided otherwise, or nobody waits for it any more",
	"elsewhereEnded": "No longer waits for an answer: it was answered elsewhere, or its Job has ended",
	"changedEnded":   "Its text has changed since: this one can no longer be decided",
	"forgotten":      "No longer waits here: the program that asked does not know of it any more",
	"left":           "Left to the reviewers in Duvo by ",
	"changed":        "Nothing was decided: the text has changed since this was posted. It is posted again.",
	"gone":           "Nothing was decided: it waits no more.",
	"unread":         "Nothing was decided: whether it still waits is not known at the moment. Try again in a minute; if it does not wait, this message will say so.",
	"unknownPost":    "Nothing was decided: this message is not the one that waits. Look for a newer one.",
	"notWhole":       "Nothing was decided: not all of it is shown here.",
	"noForm":         "Nothing was decided: the form could not be opened. Click again.",
	"failed":         "Nothing was sent: ",
	"proof":          "It takes a proof of who decides, which Slack cannot give: approve or answer it at the desk.",
	"refused":        "Nothing was decided, and it still waits: ",
	"unsure":         "The decision was given, and it is not known yet whether it was taken: ",
	"sending":        "Your decision is being sent.",
	"sent":           "Your decision was sent.",
	"elsewhere":      "Nothing was sent: it was already decided. ",
	"notNow":         "Nothing was decided: the program that asks is about to end. Try again in a moment.",
}

// capital returns a text with its first letter in upper case.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
