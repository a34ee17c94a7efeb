package search

import (
	"cmp"
	"math"
	"slices"
)

// A Field is a part of a document that counts as much as its weight.
type Field struct {
	Text   string
	Weight float64
	Spread float64 // 0 to 1: how far a long text makes each word count less
}

// A Hit is a found document.
type Hit struct {
	Doc   int // its place in what the index was made of
	Score float64
}

// An Index is safe for concurrent use. Its zero value finds nothing.
type Index struct {
	docs  int
	terms map[string][]posting // by word, ordered by document
	forms map[string][]string  // words by stem
}

// A posting is how often a document has a word, weighted.
type posting struct {
	doc  int
	freq float64
}

// NewIndex makes an index of documents. All must have the same fields in the
// same order.
func NewIndex(docs [][]Field) *Index {
	x := &Index{docs: len(docs), terms: map[string][]posting{}, forms: map[string][]string{}}
	var total []float64 // length of each field over all documents
	words := make([][][]string, len(docs))
	for d, fields := range docs {
		for f, field := range fields {
			all := indexed(field.Text)
			words[d] = append(words[d], all)
			if f == len(total) {
				total = append(total, 0)
			}
			total[f] += float64(len(all))
		}
	}
	for d, fields := range docs {
		for f, field := range fields {
			mean := max(total[f]/float64(len(docs)), 1)
			norm := 1 - field.Spread + field.Spread*float64(len(words[d][f]))/mean
			for _, w := range words[d][f] {
				all := x.terms[w]
				if all == nil {
					x.forms[stem(w)] = append(x.forms[stem(w)], w)
				}
				if n := len(all); n > 0 && all[n-1].doc == d {
					all[n-1].freq += field.Weight / norm
					continue
				}
				x.terms[w] = append(all, posting{d, field.Weight / norm})
			}
		}
	}
	return x
}

// How much a match counts, and how soon more of the same word adds little.
const (
	sameForm   = 0.85
	related    = 0.3
	saturation = 1.2
	leastFit   = 0.1 // beside the best document: what fits less is left out
)

// Find returns the best documents, best first, at most limit. Documents that
// are alike in score stay in their order.
func (x *Index) Find(query string, limit int) []Hit {
	score, covered := map[int]float64{}, map[int]float64{}
	all := 0.0
	for _, q := range x.asked(query) {
		strong, freq := x.match(q.word)
		if len(freq) == 0 {
			continue
		}
		df := float64(len(strong))
		if df == 0 {
			df = float64(len(freq))
		}
		idf := q.weight * math.Log(1+(float64(x.docs)-df+0.5)/(df+0.5))
		all += idf
		for d, tf := range freq {
			score[d] += idf * tf * (saturation + 1) / (tf + saturation)
			covered[d] += idf * min(tf, 1)
		}
	}
	hits := make([]Hit, 0, len(score))
	for d, s := range score {
		hits = append(hits, Hit{d, s * (0.5 + 0.5*covered[d]/all)})
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		if c := cmp.Compare(b.Score, a.Score); c != 0 {
			return c
		}
		return cmp.Compare(a.Doc, b.Doc)
	})
	for i, h := range hits {
		if i >= limit || h.Score < hits[0].Score*leastFit {
			return hits[:i]
		}
	}
	return hits
}

// match returns the documents that hold the word in one of its forms, and the
// frequency of all that it matches, by document.
func (x *Index) match(word string) (strong map[int]bool, freq map[int]float64) {
	strong, freq = map[int]bool{}, map[int]float64{}
	add := func(w string, weight float64) {
		for _, p := range x.terms[w] {
			freq[p.doc] += weight * p.freq
		}
	}
	for _, w := range x.forms[stem(word)] {
		weight := sameForm
		if w == word {
			weight = 1
		}
		add(w, weight)
		for _, p := range x.terms[w] {
			strong[p.doc] = true
		}
	}
	for _, other := range relatedTo(word) {
		for _, w := range x.forms[other] {
			add(w, related)
		}
	}
	if len(freq) == 0 {
		for w, likeness := range x.alike(word) {
			add(w, likeness)
		}
	}
	return strong, freq
}
