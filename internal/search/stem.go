package search

import "strings"

// stem reduces the forms of an English word to one string, which need not be a
// word: invoice, invoices and invoicing to "invoic". It errs towards too much,
// which in a catalog does little harm; words of other languages mostly stay as
// they are.
func stem(word string) string {
	if s, ok := irregular[word]; ok {
		return s
	}
	if len(word) <= 3 || strings.IndexFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }) >= 0 {
		return word
	}
	if strings.HasPrefix(word, "analy") {
		return "analy"
	}
	w := singular(word)
	if s, ok := irregular[w]; ok {
		return s
	}
	for range 2 {
		shorter := w
		for _, s := range suffixes {
			if rest, ok := strings.CutSuffix(w, s.text); ok && len(rest) >= s.least && strings.ContainsAny(rest, "aeiouy") {
				shorter = rest
				break
			}
		}
		shorter = undouble(strings.TrimRight(shorter, "i"))
		if shorter == w {
			break
		}
		w = shorter
	}
	return w
}

func singular(w string) string {
	switch {
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "xes"), strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "shes"), strings.HasSuffix(w, "zes"):
		return w[:len(w)-2]
	case strings.HasSuffix(w, "ss"), strings.HasSuffix(w, "us"), strings.HasSuffix(w, "is"):
		return w
	}
	return strings.TrimSuffix(w, "s")
}

// undouble drops the second of two last consonants: shipp of shipping.
func undouble(w string) string {
	if n := len(w); n > 3 && w[n-1] == w[n-2] && !strings.ContainsRune("aeiou", rune(w[n-1])) {
		return w[:n-1]
	}
	return w
}

// suffixes, the longest first, each with the least that must be left of a word.
var suffixes = []struct {
	text  string
	least int
}{
	{"ization", 4}, {"isation", 4}, {"ication", 3}, {"icant", 4}, {"ation", 5}, {"ition", 4}, {"ator", 5}, {"ment", 3},
	{"ance", 4}, {"ence", 4}, {"able", 4}, {"ible", 4}, {"ness", 4}, {"less", 4}, {"ing", 3}, {"ion", 4}, {"ity", 4}, {"ive", 4},
	{"ful", 4}, {"ate", 5}, {"at", 5}, {"ize", 4}, {"ise", 4}, {"ist", 4}, {"ant", 5}, {"al", 4}, {"ly", 4}, {"er", 4}, {"or", 4}, {"en", 5}, {"ed", 3}, {"e", 3}, {"y", 4},
}

// irregular forms of common words.
var irregular = map[string]string{
	"customer": "customer", "customers": "customer", "register": "regist", "registered": "regist", "registration": "regist", "registry": "regist",
	"supply": "suppl", "comply": "compl", "general": "general", "operation": "operat", "police": "police", "station": "station", "statement": "statement", "letter": "letter", "letters": "letter",
	"paid": "pay", "pays": "pay", "paying": "pay", "sent": "send", "bought": "buy", "sold": "sel", "lost": "los", "broke": "break", "broken": "break",
	"people": "person", "wrote": "write", "written": "write", "writing": "write", "write": "write", "writes": "write", "hiring": "hir", "hire": "hir",
	"left": "leav", "leaving": "leav", "leave": "leav", "leaves": "leav", "children": "child", "taxes": "tax", "news": "news", "made": "make",
	"forgot": "forget", "forgotten": "forget", "spoke": "speak", "spoken": "speak", "stolen": "steal", "chosen": "choos", "grew": "grow", "kept": "keep", "met": "meet", "meeting": "meet",
	"meetings": "meet", "taught": "teach", "told": "tel", "understood": "understand", "went": "go", "series": "series", "data": "data",
	"tying": "tie", "dying": "die", "fees": "fee", "fee": "fee", "later": "late", "submission": "submit", "submitted": "submit", "submitting": "submit",
	"subscription": "subscrib", "subscriber": "subscrib", "transcript": "transcrib", "transcription": "transcrib", "decision": "decid",
	"permission": "permit", "permitted": "permit", "complaint": "complain", "receipt": "receipt", "speed": "speed", "need": "need", "feed": "feed",
}
